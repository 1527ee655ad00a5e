"""Images whose truth is known because we drew them."""
