"""Colors of image files: profiles and codings, converted to sRGB as browsers do."""
