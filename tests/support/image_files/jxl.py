"""Builds JPEG XL files with the encoder of imagecodecs; those that it cannot write are kept here, in base 85."""

from base64 import b85decode
from typing import Any

import imagecodecs
import numpy as np

TWO_FIELDS = np.repeat(np.array([[(200, 60, 40), (40, 180, 90)]], np.uint8), [8, 8], axis=1).repeat(8, axis=0)
"""The picture in the files below: 16 x 8, the left half of one color, the right half of another."""
FILES = {
    "display-p3": b85decode("{|doDKqfZ=2m%2Bd;m)rixmLWB4Z>Kb%7875T_pi63HPTxKMEQB|;9+6a"),
    "linear": b85decode("{|doDK+z%y0s#Pg081E)6#&#CV<Z)Ife-)?ryl?k$sr)PP;m7nLJrUr"),
    "pq": b85decode("{|dnc5RgZYI2-@~0006A0s#Pg081E)6#&#CV<Z)Ife-)?ryl?k$sr)PP;m7nLJrUr"),
    "hlg": b85decode("{|dnc5Rhje&|?4q000OG0s#Pg081E)6#&#CV<Z)Ife-)?ryl?k$sr)PP;m7nLJrUr"),
    "lossy": b85decode(
        "{|doDLUADg5{Lo-U;$m_5&!@dDx-`WyqxR#@<WHkw2kWwZMAJ-NutO&Hc2ONND^zfT>*gv#(tQ2wQcDATrt>X3Kdcyr7^}xl~jz3kuj3iZ{-"
        "E?BZO7{hwpx6NloNx5DW"
    ),
    "turned": b85decode(
        "0000CN?1%F4GM<}0000KW^{RQYItlQ00000YItlQ0000rYItm8{|dn^5Kvqa2m%2Bd;m)rixmLWB4Z>Kb%7875T_pi63HPTxKMEQB|;9+6a"
    ),
    "red-and-blue-swapped": b85decode(
        "{|doD2yYDoQfMB4x7VTHCK%_CPV=~uHhpdLrDoY^6SKC(2B*v^N7==B(Lq6w65g40W4<#bR(qplwOVbBasXLJTW19LigVXovCElKwg3$Hzp%98"
        "YX(bQCwAGkHPy8&P_#CcmA=hXm*4LDOU94tLbi2$3mkog&6Q0(MWxFMteq_jG?gtaWzC`YUKyXNq_;7a3UKN-fBxjRJkgUt{6_NUPai0M{`ei"
        "i(JnOjSo<~v#nItt1WNM2bqmm2LQu>C*)qUpSdK?$YHC8~nc&h4-f0w8ZjPeLwtP4M5@iJ`caVt*VY-1D&BsL!2m%2Bd;m)rixmLWB4Z>Kb%78"
        "75T_pi63HPTxKMEQB|;9+6a"
    ),
}


def encode_jxl(picture: np.ndarray[Any, Any], **options: Any) -> bytes:
    """Encode without loss, in sRGB; a fourth dimension, the first, makes an animation."""
    return bytes(imagecodecs.jpegxl_encode(picture, lossless=True, numthreads=1, **options))
