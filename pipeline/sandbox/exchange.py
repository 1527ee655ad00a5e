"""Defines the messages between a decoder process and its parent.

The parent believes no reply: untrusted bytes may have taken the process over. A reply holds no size of a picture; the
parent computes it from the size of the image, which it compares with the limit.
"""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from pipeline.geometry import Size

Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
Corners = tuple[int, int, int, int]


class Request(BaseModel):
    """Asks for pictures of a file in the shared memory, or of the pixels that were kept under the number `take`.

    The pictures replace the file in the memory, one behind the other: the view, the crops, the whole image.
    """

    model_config = ConfigDict(frozen=True)

    file_bytes: int = 0
    take: int | None = None
    keep_as: int | None = None
    view_max_pixels: int | None = None
    boxes: tuple[Corners, ...] = ()
    crop_max_pixels: int = 0
    whole: Literal["pixels", "png"] | None = None


class Reply(BaseModel):
    """Describes the image, with the digests of its view and crops; or holds the code and the detail of an error."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    width: Annotated[int, Field(ge=1)] = 1
    height: Annotated[int, Field(ge=1)] = 1
    format: Annotated[str, Field(pattern="^[a-z0-9]{0,16}$")] = ""
    frames: Annotated[int, Field(ge=1)] = 1
    repaired: bool = False
    frame: Annotated[int, Field(ge=0)] = 0
    digests: tuple[Sha256, ...] = ()
    kept: bool = False
    png_bytes: Annotated[int, Field(ge=0)] = 0
    error: str | None = None
    detail: Annotated[str, Field(max_length=1000)] = ""

    @property
    def size_px(self) -> Size:
        return self.width, self.height

    @model_validator(mode="after")
    def _check_frame(self) -> Self:
        if self.frame >= self.frames:
            raise ValueError(f"frame {self.frame} of {self.frames}")
        return self
