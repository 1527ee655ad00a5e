"""The page that annotators see, as Label Studio's configuration, and the names in it that tasks and labels refer to."""

from importlib.resources import files

from pipeline.verdict import Verdict

CONFIG = files("training.label_studio").joinpath("config.xml").read_text().strip()
"""Label Studio stores it without outer blanks"""
GUIDELINE_VERSION = "1"
"""of the guideline in the page's head; a change of it or of anything else there needs a project of its own"""
IMAGE, REGION, VERDICT, EXPLANATION = "image", "region", "verdict", "explanation"
REGION_TYPE, VERDICT_TYPE, EXPLANATION_TYPE = "rectanglelabels", "choices", "textarea"
ARTIFACT, AUTHENTIC_DETAIL = "artifact", "authentic_detail"
BOX_LABELS = {Verdict.GENERATED: ARTIFACT, Verdict.REAL: AUTHENTIC_DETAIL}
"""the label of the model's boxes, by its verdict"""
