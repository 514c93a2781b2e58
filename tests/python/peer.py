"""An aiortc peer: calls the server as the tutorial's client does, sends a tone, a picture and
messages, and checks what comes back. Knows nothing of the tests it plays in.

    python peer.py ws://127.0.0.1:8080/ws '{"video": "VP8"}'

The options, all of them optional:
    video       the codec of the picture; without one there is none
    edits       pairs of a pattern and its replacement, applied to the offer on its way out
    candidates  "first" sends the candidates before the offer, which then has none
    srtp        "SHA1_80" is the only way that the peer knows to protect media
    messages    the sizes of the messages to send, instead of the usual ones
    fails       the server is expected to give the connection up
    aborts      the SCTP association, when everything came back; sound and picture are to go on

The last line it prints is `result` and what it saw, as JSON.
"""

import asyncio
import fractions
import json
import math
import re
import struct
import sys
import time

import websockets
from aiortc import (
    AudioStreamTrack,
    RTCConfiguration,
    RTCPeerConnection,
    RTCRtpSender,
    RTCSessionDescription,
    VideoStreamTrack,
    rtcdtlstransport,
)
from av import AudioFrame, VideoFrame

PATIENCE = 60
TONE = 440
RATE = 48000
WIDTH, HEIGHT = 320, 240
# Y, U and V of a picture's left half, and of its right half.
RED, BLUE = (76, 85, 255), (29, 255, 107)
MESSAGES = ["", "x", "aé€😀" * 1000, b"\x01", bytes(n % 251 for n in range(65536))]


def messages(options):
    if "messages" not in options:
        return MESSAGES
    return [bytes([at]) * size for at, size in enumerate(options["messages"])]


class Tone(AudioStreamTrack):
    """A sine wave at half of full scale."""

    at, began = 0, None

    async def recv(self):
        self.began = self.began or time.monotonic()
        await asyncio.sleep(self.began + self.at / RATE - time.monotonic())
        count = RATE // 50
        wave = (math.sin(math.tau * TONE * n / RATE) for n in range(self.at, self.at + count))
        frame = AudioFrame(format="s16", layout="mono", samples=count)
        frame.planes[0].update(struct.pack(f"<{count}h", *(int(16383 * value) for value in wave)))
        frame.pts, frame.sample_rate = self.at, RATE
        frame.time_base = fractions.Fraction(1, RATE)
        self.at += count
        return frame


class Picture(VideoStreamTrack):
    """Red to the left, blue to the right."""

    async def recv(self):
        pts, time_base = await self.next_timestamp()
        frame = VideoFrame(WIDTH, HEIGHT, "yuv420p")
        for plane, left, right in zip(frame.planes, RED, BLUE):
            half = plane.width // 2
            row = bytes([left]) * half + bytes([right]) * (plane.line_size - half)
            plane.update(row * plane.height)
        frame.pts, frame.time_base = pts, time_base
        return frame


class Ear:
    """Counts how often the tone's wave rises through zero."""

    def __init__(self):
        self.samples, self.rises, self.last = 0, 0, 0

    def take(self, frame):
        channels = len(frame.layout.channels)
        count = frame.samples * channels
        wave = struct.unpack_from(f"<{count}h", bytes(frame.planes[0]))[::channels]
        # The beginning is silence, and the decoder's attempts to hide it.
        if self.samples == 0 and max(wave) < 8000:
            return
        for value in wave:
            self.rises += self.last < 0 <= value
            self.last = value
        self.samples += frame.samples

    def hertz(self):
        return self.rises * RATE / self.samples if self.samples >= RATE else None


class Eye:
    """Counts the frames that have their colours where they belong."""

    def __init__(self):
        self.good = 0

    def take(self, frame):
        frame = frame.reformat(format="yuv420p")
        seen = [self.at(frame, side) for side in (0.25, 0.75)]
        halves = zip(seen, (RED, BLUE))
        near = all(abs(a - b) < 30 for half, sent in halves for a, b in zip(half, sent))
        self.good += near

    @staticmethod
    def at(frame, x):
        return [bytes(p)[p.height // 2 * p.line_size + int(p.width * x)] for p in frame.planes]


async def until(what, probe):
    deadline = time.monotonic() + PATIENCE
    while not (seen := probe()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {PATIENCE} s for {what}")
        await asyncio.sleep(0.05)
    return seen


class Call:
    def __init__(self, options):
        self.options = options
        self.said, self.back = [], []
        self.sent = messages(options)
        self.offered = self.connected = None
        self.ear, self.eye = Ear(), Eye()
        self.pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self.pc.on("connectionstatechange", self.look_at_state)
        self.pc.on("track", lambda track: asyncio.ensure_future(self.watch(track)))
        self.pc.addTrack(Tone())
        if "video" in options:
            self.add_picture(f"video/{options['video']}".lower())
        self.channel = self.pc.createDataChannel("echo")
        self.channel.on("open", self.send_messages)
        self.channel.on("message", self.back.append)

    def add_picture(self, mime_type):
        sender = self.pc.addTrack(Picture())
        transceiver = next(t for t in self.pc.getTransceivers() if t.sender is sender)
        codecs = RTCRtpSender.getCapabilities("video").codecs
        wanted = [c for c in codecs if c.mimeType.lower() in (mime_type, "video/rtx")]
        transceiver.setCodecPreferences(wanted)

    def send_messages(self):
        for message in self.sent:
            self.channel.send(message)

    def look_at_state(self):
        if self.pc.connectionState == "connected":
            self.connected = self.connected or time.monotonic()

    async def watch(self, track):
        sense = self.ear if track.kind == "audio" else self.eye
        while True:
            sense.take(await track.recv())

    async def offer(self, ws):
        await self.pc.setLocalDescription(await self.pc.createOffer())
        sdp = self.pc.localDescription.sdp
        if self.options.get("candidates") == "first":
            for line in re.findall(r"a=(candidate:.*)\r\n", sdp):
                candidate = {"candidate": line, "sdpMid": "0", "sdpMLineIndex": 0}
                await ws.send(json.dumps({"type": "candidate", "candidate": candidate}))
            sdp = re.sub(r"a=(candidate:.*|end-of-candidates)\r\n", "", sdp)
        for pattern, replacement in self.options.get("edits", []):
            sdp, count = re.subn(pattern, replacement, sdp)
            assert count > 0, f"nothing to edit for {pattern} in {sdp}"
        print("offer", sdp)
        self.offered = time.monotonic()
        await ws.send(json.dumps({"type": "offer", "sdp": sdp}))

    async def hear(self, ws):
        async for text in ws:
            message = json.loads(text)
            self.said.append(message)
            if message["type"] == "answer":
                print("answer", message["sdp"])
                await self.pc.setRemoteDescription(RTCSessionDescription(message["sdp"], "answer"))
            if message["type"] == "error":
                raise RuntimeError(f"the server says {message}")

    def state(self, fits):
        """The first of the states that the server told of which fits."""
        states = (m for m in self.said if m["type"] == "peerState")
        return next((m for m in states if fits(m)), None)

    async def given_up(self):
        def failed(message):
            return message["state"] in ("failed", "closed")

        return {"state": await until("the server to give up", lambda: self.state(failed))}

    async def aborted(self):
        await self.pc.sctp.stop()

        def noticed(message):
            return message["state"] == "connected" and "reason" in message

        state = await until("the server to notice", lambda: self.state(noticed))
        samples, good = self.ear.samples, self.eye.good
        await until("more sound", lambda: self.ear.samples >= samples + RATE)
        await until("more pictures", lambda: self.eye.good >= good + 30)
        return {"state": state}

    async def echoed(self):
        hertz = await until("a second of sound", self.ear.hertz)
        # The channel is in order: what is not back with the last one does not come.
        await until("the last message", lambda: self.back[-1:] == self.sent[-1:])
        if "video" in self.options:
            await until("a picture with its colours", lambda: self.eye.good >= 30)
        return {
            "hertz": hertz,
            "messages": self.back == self.sent,
            "sizes": [len(message) for message in self.back],
            "frames": self.eye.good,
            "connected_ms": round((self.connected - self.offered) * 1000),
        }


async def main(url, options):
    if options.get("srtp") == "SHA1_80":
        rtcdtlstransport.SRTP_PROFILES[:] = [rtcdtlstransport.SRTP_AES128_CM_SHA1_80]
    call = Call(options)
    async with websockets.connect(url, max_size=None) as ws:
        await call.offer(ws)
        hearing = asyncio.ensure_future(call.hear(ws))
        outcome = asyncio.ensure_future(call.given_up() if options.get("fails") else call.echoed())
        # If hearing ends first, it failed: raise what it failed with.
        await asyncio.wait([hearing, outcome], return_when=asyncio.FIRST_COMPLETED)
        if hearing.done():
            hearing.result()
        result = await outcome
        if options.get("aborts"):
            result |= await call.aborted()
        hearing.cancel()
        await call.pc.close()
    print("result", json.dumps(result), flush=True)


asyncio.run(main(sys.argv[1], json.loads(sys.argv[2])))
