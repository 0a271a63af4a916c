"""Runs the service: `recgrela-server`, with settings from the environment."""

import gc
import logging
import signal
import sys

import uvicorn
import uvloop
from pydantic import ValidationError

from recgrela_server.app import create_app
from recgrela_server.model import ModelError
from recgrela_server.protocol import limited
from recgrela_server.service import Service
from recgrela_server.settings import Settings
from recgrela_server.storage import StoreError

SWITCH_SECONDS = 0.0005  # the thread that commits waits no longer than this for the event loop
NEW_OBJECTS = 10_000  # until the next search for garbage in cycles; a request makes hundreds
BACKLOG = 4096


def main() -> int:
    """Serves until SIGTERM or SIGINT; returns the exit status."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    sys.setswitchinterval(SWITCH_SECONDS)
    try:
        settings = Settings()
    except ValidationError as error:
        faults = {fault["loc"][0]: fault["msg"] for fault in reversed(error.errors())}
        for name, message in faults.items():
            variable = f"RECGRELA_{str(name).upper()}"
            print(f"error: {variable}: {message}. See docs/service.md.", file=sys.stderr)
        return 2
    try:
        uvloop.run(_serve(settings))
    except (ModelError, StoreError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


async def _serve(settings: Settings) -> None:
    service = await Service.open(settings)
    try:
        config = uvicorn.Config(
            create_app(service),
            host=settings.host,
            port=settings.port,
            http=limited(settings.request_timeout, service.metrics.refused),
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            backlog=BACKLOG,
            timeout_keep_alive=settings.keep_alive,
            timeout_graceful_shutdown=settings.shutdown_timeout,
        )
        gc.collect()
        gc.freeze()  # excludes startup objects from garbage collection
        gc.set_threshold(NEW_OBJECTS)
        server = uvicorn.Server(config)
        # uvicorn raises a signal again after its shutdown; the store has still to be closed.
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, server.handle_exit)
        await server.serve()
    finally:
        await service.close()


if __name__ == "__main__":
    sys.exit(main())
