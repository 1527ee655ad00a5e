"""How events get in and verdicts get out."""
