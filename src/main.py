"""What `uvicorn src.main:app` serves."""

import gc

# Nearly everything that a start makes is there to stay, and the collector would look through all of
# it again and again: a fifth of the start. Nor need it be looked at later, while requests wait.
gc.disable()

from src.first_run.building import build  # noqa: E402 - what it imports is meant above all

app = build()
gc.freeze()
gc.enable()
