"""LiveKit's SDK for Python: mints tokens as an application would, or says what it reads in one of ours.

Takes what to do as one argument in JSON; the last line is `result` and JSON.
"""

import dataclasses
import json
import re
import sys
from datetime import timedelta

import jwt
from livekit.api import AccessToken, RoomConfiguration, TokenVerifier, VideoGrants

TASK = json.loads(sys.argv[1])
KEY = TASK["key"], TASK["secret"]


def minted(wish):
    options = wish["options"]
    token = AccessToken(*KEY).with_identity(options["identity"])
    if "name" in options:
        token = token.with_name(options["name"])
    if "metadata" in options:
        token = token.with_metadata(options["metadata"])
    token = token.with_ttl(timedelta(seconds=options["ttl"]))
    if "room" in wish:
        room = {snake(name): value for name, value in wish["room"].items()}
        token = token.with_room_config(RoomConfiguration(**room))
    grant = {snake(name): value for name, value in wish["grant"].items()}
    return token.with_grants(VideoGrants(**grant)).to_jwt()


def snake(name):
    return re.sub("[A-Z]", lambda letter: "_" + letter[0].lower(), name)


def read(token):
    try:
        claims = TokenVerifier(*KEY).verify(token)
    except jwt.InvalidTokenError as error:
        return {"refused": type(error).__name__}
    return {
        "sub": claims.identity,
        "name": claims.name,
        "metadata": claims.metadata,
        "video": {camel(name): value for name, value in dataclasses.asdict(claims.video).items()},
    }


def camel(name):
    return re.sub("_([a-z])", lambda letter: letter[1].upper(), name)


RESULT = [minted(wish) for wish in TASK["mint"]] if "mint" in TASK else read(TASK["verify"])
print("result", json.dumps(RESULT))
