"""An emulated Bitrix24: portals, OAuth server and queue server over real HTTP, for development and for tests.

`python -m devportal --port N` starts one; `devportal.server.start()` does so inside a test. What it emulates, and what
it does not, is told in `docs/devportal.md`.
"""
