"""Routers whose routes the application takes as they are."""

from typing import Any

from fastapi import APIRouter
from fastapi.routing import APIRoute


class Router(APIRouter):
    """A router to be given to the application by its `routes`; operations have functions' names.

    `include_router` would build every route a second time, all of them while the first request to
    a worker waits, and then ask router after router for each request.
    """

    def __init__(self, **options: Any) -> None:  # noqa: ANN401 - FastAPI's own
        super().__init__(generate_unique_id_function=_operation_id, **options)


def _operation_id(route: APIRoute) -> str:
    return route.name
