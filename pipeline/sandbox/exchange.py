"""Defines the messages between a decoder process and its parent: one when it is ready, then a reply to each request.

The parent believes no reply: untrusted bytes may have taken the process over. A reply holds no size of a picture; the
parent computes it from the size of the image, which it compares with the limit.
"""

import secrets
from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from pipeline.geometry import Size

Count = Annotated[int, Field(ge=1, lt=2**31)]
Corners = tuple[int, int, int, int]


class Confinement(BaseModel):
    """Says of each layer that confines the process why the kernel refused it, or "" if it holds."""

    model_config = ConfigDict(frozen=True)

    layers: Mapping[str, str]

    @property
    def holding(self) -> list[str]:
        return [name for name, refusal in self.layers.items() if not refusal]

    @property
    def refused(self) -> dict[str, str]:
        return {name: refusal for name, refusal in self.layers.items() if refusal}


class Request(BaseModel):
    """Asks for pictures of a file in the shared memory, or of the pixels that were kept under the number `take`.

    The pictures replace the file in the memory, one behind the other: the view, the crops, the whole image. The reply
    repeats `token`, which nobody can guess: it belongs to this request and no earlier one. The process ends itself
    after `cpu_s` of CPU time.
    """

    model_config = ConfigDict(frozen=True)

    token: str = Field(default_factory=lambda: secrets.token_hex(8))
    cpu_s: float = 0.0
    file_bytes: int = 0
    take: int | None = None
    keep_as: int | None = None
    view_max_pixels: int | None = None
    boxes: tuple[Corners, ...] = ()
    crop_max_pixels: int = 0
    whole: Literal["pixels", "png"] | None = None


class Reply(BaseModel):
    """Describes the image, or holds the code and the detail of an error.

    `broken`: the process met what it does not expect, and must not decode another file.
    """

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    token: str
    width: Count = 1
    height: Count = 1
    format: Annotated[str, Field(pattern="^[a-z0-9]{0,16}$")] = ""
    frames: Count = 1
    repaired: bool = False
    frame: Annotated[int, Field(ge=0)] = 0
    kept: bool = False
    png_bytes: Annotated[int, Field(ge=0)] = 0
    error: str | None = None
    detail: Annotated[str, Field(max_length=1000)] = ""
    broken: bool = False

    @property
    def size_px(self) -> Size:
        return self.width, self.height

    @model_validator(mode="after")
    def _check_frame(self) -> Self:
        if self.frame >= self.frames:
            raise ValueError(f"frame {self.frame} of {self.frames}")
        return self
