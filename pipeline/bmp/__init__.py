"""BMP files as browsers read them: headers, colors and pixels."""
