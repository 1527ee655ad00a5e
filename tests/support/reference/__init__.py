"""Write docs/reference/ from the code: settings, metrics, events, error codes and commands."""
