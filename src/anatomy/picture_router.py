"""The route of the body picture: the same picture for everybody who is signed in."""

from typing import Final

from fastapi.responses import Response

from src.core.errors import AuthenticationRequired, InvalidToken
from src.core.identity import CurrentUserId
from src.core.problem_json import documents
from src.core.routers import Router

MEDIA_TYPE: Final = "image/svg+xml"

router = Router(prefix="/anatomy", tags=["anatomy"])


class SvgResponse(Response):
    media_type = MEDIA_TYPE


@router.get(
    "/body.svg",
    response_class=SvgResponse,
    responses=documents(AuthenticationRequired, InvalidToken),
)
async def read_body_picture(_: CurrentUserId) -> SvgResponse:
    """A front and a back figure, each region an element with the slugs of its parts."""
    # Drawn when somebody first asks for it; `run` has it before it forks its workers.
    from src.anatomy.body_picture import BODY_PICTURE  # noqa: PLC0415

    return SvgResponse(BODY_PICTURE.svg, headers={"ETag": BODY_PICTURE.etag})
