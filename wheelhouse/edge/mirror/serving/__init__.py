"""The embedded server of a mirror: an ASGI application, and uvicorn with bounds on what a client can hold."""
