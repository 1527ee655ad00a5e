"""Name Qwen2.5-VL's special tokens, and the tokens of coordinates on our grid."""

END_OF_TEXT, IM_START, IM_END = "<|endoftext|>", "<|im_start|>", "<|im_end|>"
VISION_START, VISION_END = "<|vision_start|>", "<|vision_end|>"
IMAGE_PAD, VIDEO_PAD = "<|image_pad|>", "<|video_pad|>"
SPECIALS = [END_OF_TEXT, IM_START, IM_END, VISION_START, VISION_END, "<|vision_pad|>", IMAGE_PAD, VIDEO_PAD]
GRID = 20
COORDINATES = range(0, 1001, GRID)
"""thousandths of an image's side that a tiny checkpoint's answers use, one token each"""
MAX_TINY_VOCABULARY = 1024
"""tokens of the tiny model's vocabulary at most; published Qwen models have about 150,000"""
