"""The web app of ``scorefield demo``: pages in the browser, answered by the library on this machine."""
