"""The endpoints of users: their events, recommendations and deletion."""

from time import time
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import JSONResponse
from recgrela import EdgeScorer, TopK

from recgrela_server.bodies import (
    Appending,
    ErrorBody,
    Events,
    Filters,
    Forgotten,
    IdempotencyKey,
    Items,
    Recommendations,
    ScoredItem,
    Stored,
    User,
)
from recgrela_server.errors import ServiceError, quote
from recgrela_server.model import Served
from recgrela_server.route import Route
from recgrela_server.service import Service, service_of
from recgrela_server.storage import Key

router = APIRouter(
    prefix="/users/{user}",
    tags=["users"],
    route_class=Route,
    responses={status: {"model": ErrorBody} for status in (401, 413, 422, 429, 503)},
)


def _check_count(service: Service, items: list[int | str]) -> None:
    limit = service.settings.max_items
    if len(items) > limit:
        raise ServiceError(
            422,
            "too_many_items",
            f"found {len(items)} items, expected {limit} or fewer: send several requests",
        )


@router.post("/events", status_code=201, response_model=Stored, responses={200: {"model": Stored}})
async def append(
    request: Request,
    user: User,
    body: Events,
    query: Annotated[Appending, Query()],
    idempotency_key: IdempotencyKey = None,
) -> Stored | JSONResponse:
    """Appends events. The answer comes when they are on disk."""
    service = service_of(request)
    _check_count(service, body.items)
    sent = body.entry()
    entry = service.sessions.served.entry(sent, query.unknown, now=int(time()))
    key = None if idempotency_key is None else Key.of(idempotency_key, sent)
    with service.metrics.waiting.track_inprogress():
        stored = await service.store.append(user, entry, key)
    if stored.reused:
        raise ServiceError(
            422,
            "key_reused",
            f"found the Idempotency-Key {quote(idempotency_key)} of an earlier request with other "
            "events, and stored nothing: use a new key for each request, and the same only to "
            "repeat it",
        )
    answer = Stored(events=stored.events, duplicate=stored.duplicate)
    if stored.duplicate:
        return JSONResponse(answer)
    service.metrics.events.inc(len(entry.items))
    return answer


@router.get("/recommendations", responses={404: {"model": ErrorBody}, 409: {"model": ErrorBody}})
async def recommend(
    request: Request, user: User, query: Annotated[Filters, Query()]
) -> Recommendations:
    """The best next items, after every event acknowledged so far."""
    service = service_of(request)
    sessions = service.sessions
    served = sessions.served
    _check_count(service, [*query.allow, *query.deny])
    if query.max_per_group is not None and not served.has_groups:
        raise ServiceError(
            422,
            "no_groups",
            "found max_per_group, but the service knows no groups: set RECGRELA_GROUPS",
        )
    allow = served.known(served.ids(query.allow), query.unknown) if query.allow else None
    deny = served.known(served.ids(query.deny), query.unknown)
    scorer = await sessions.current(user)
    try:
        top = scorer.top_k(
            query.k,
            exclude_seen=query.exclude_seen,
            allow=allow,
            deny=deny,
            max_per_group=query.max_per_group,
        )
    except ValueError:
        if scorer.events == 0:
            raise _no_events(served) from None
        raise
    return _recommendations(top, scorer)


@router.post("/forget")
async def forget(request: Request, user: User, body: Items) -> Forgotten:
    """Removes all events of some items, as if they had never happened."""
    service = service_of(request)
    _check_count(service, body.items)
    service.sessions.served.unknown(body.items)  # items of older models can be forgotten too
    removed = await service.store.forget(user, set(body.items))
    service.sessions.discard(user)
    return Forgotten(removed=removed)


@router.delete("", status_code=204)
async def delete(request: Request, user: User) -> Response:
    """Deletes everything about a user. Deleting an unknown user succeeds too."""
    service = service_of(request)
    await service.store.delete(user)
    service.sessions.discard(user)
    return Response(status_code=204)


def _no_events(served: Served) -> ServiceError:
    return ServiceError(
        404,
        "no_events",
        f"the user has no events of the model's {served.scorer.num_items} items: post one first",
    )


def _recommendations(top: TopK, scorer: EdgeScorer) -> Recommendations:
    items = [ScoredItem(id=item, score=score) for item, score in top]
    return Recommendations(items=items, events=scorer.events, model=scorer.fingerprint)
