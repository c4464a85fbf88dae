#!/usr/bin/env python3
"""A client of the Hectare wire format, version 2, written from docs/wire-format.md alone.

    python3 tests/conformance/decode.py tests/conformance/golden.capture tests/conformance/golden.replica

Replays a captured run, a token ask first: what one client sent and was delivered. Checks the handshake, opens what both ends
sealed, checks the hash of the schema, the self-check of every snapshot, that the client acked exactly what is accepted here,
and that the replica at the end is the one in the second file. Prints `equal` and exits 0, or prints the first difference and
exits 1. Anything malformed, and a snapshot that a client would refuse, is a difference too. Inputs are not read.
"""
import math, struct, sys
from collections import namedtuple
from functools import reduce
from itertools import zip_longest
from handshake import CLOSE, M64, PATH_CHALLENGE, PATH_RESPONSE, PAYLOAD, SIZES, Handshake, need

M32, SLOTS, RING, KEPT, KEPT_NS = (1 << 32) - 1, 1024, 16, 1024, 30 * 10**9
POSITION, VELOCITY, TEXT = 6, 7, 8                            # types of a field
ALL, OWNER, PARTY = range(3)                                  # audiences of a group; the owner sees them all
UPDATE, ENTER, LEAVE, DESTROY, ABSOLUTE = range(5)            # operations: the number of ones that begin the code
COSINE, SINE = ([round(16384 * f(d * math.tau / 256)) for d in range(256)] for f in (math.cos, math.sin))

# ---- bits, numbers, hashes
class Bits:
    """A bit stream as one integer: the first bit of the stream is its lowest."""
    def __init__(self, data):
        self.value, self.left = int.from_bytes(data, "little"), 8 * len(data)

    def take(self, n):
        need(n <= self.left, "out of bits")
        v = self.value & ((1 << n) - 1)
        self.value, self.left = self.value >> n, self.left - n
        return v

    def ones(self, most):                                     # how many before a zero; after `most` of them there is none
        return next((n for n in range(most) if not self.take(1)), most)

    def golomb(self, k):
        length = self.ones(33) + k
        need(length - k <= 32 and length <= 32, "Golomb code too long")
        return (1 << length) + self.take(length) - (1 << k)

    def zigzag(self, k):
        v = self.golomb(k)
        return -(v + 1 >> 1) if v & 1 else v >> 1

    def text(self):
        return bytes(self.take(8) for _ in range(self.take(8)))

    def end(self):
        need(self.left < 8 and self.value == 0, "something behind the end of a bit stream")

def signed(v, bits):
    return v - (v >> bits - 1 << bits)

def widen(known, wire, bits):                                 # the number nearest to `known` whose low bits are `wire`
    return known + signed((wire - known) & ((1 << bits) - 1), bits)

def fnv(data, offset, prime, mask):
    return reduce(lambda h, byte: (h ^ byte) * prime & mask, data, offset)

def mix(h, v):
    m = (h ^ v) * 0xFF51AFD7ED558CCD & M64
    return m ^ m >> 32

# ---- schema; the words of a record are one integer here, the first word lowest
Field = namedtuple("Field", "name type bits at")              # bits: of both axes together; at: the lowest in the record
Group = namedtuple("Group", "audience fields")
Kind = namedtuple("Kind", "index name motion speeds groups words public")     # public: mask of what everybody may see

class Schema:
    def __init__(self, data):
        bits = Bits(data)
        self.extent, self.bits = bits.take(16), bits.take(8)
        self.quantum = self.extent * 4096 >> self.bits
        self.kinds = [self.read_kind(bits, index) for index in range(bits.take(8))]
        self.kind_bits = max(1, (len(self.kinds) - 1).bit_length())
        bits.end()

    def read_kind(self, bits, index):
        name, motion, groups = bits.text().decode(), bits.take(1), []
        speeds = [bits.take(16) for _ in range(bits.take(3))]
        bits.take(2 + 24)                                     # body role, radius
        end, public = 64 * motion, M64 * motion               # the motion word comes first
        for _ in range(bits.take(4)):
            _, group, _ = bits.text(), Group(bits.take(2), []), bits.take(1)        # name, audience, sampled
            for _ in range(bits.take(6)):
                field = self.read_field(bits, end)
                group.fields.append(field)
                end = field.at + field.bits
                public |= (1 << end) - (1 << field.at) if group.audience == ALL else 0
            groups.append(group)
        return Kind(index, name, motion, speeds, groups, max(1, end + 63 >> 6), public)

    def read_field(self, bits, end):
        name, kind, size = bits.text().decode(), bits.take(4), bits.take(6)
        bits.take(32 + 32 + 1)                                # min, max, required
        size = {POSITION: 2 * self.bits, VELOCITY: 24, TEXT: 32}.get(kind, size)
        return Field(name, kind, size, end if end % 64 + size <= 64 else (end | 63) + 1)      # none crosses a word

# ---- motion: a word (quantum x 18, quantum y 18, velocity 24, escape, sampled) and its T0, which is 0 here at rest
def at_rest(record):                                          # sampled with a velocity of zero is not at rest
    return record >> 36 & 0x3FFFFFF == 0

def velocity(kind, record):
    code = record >> 36 & 0xFFFFFF
    if record >> 60 & 1:                                      # escape
        return signed(code & 0xFFF, 12), signed(code >> 12, 12)
    pace = kind.speeds[code >> 12] * (code >> 8 & 15) if code else 0
    return tuple(table[code & 255] * pace // (16384 * 15) for table in (COSINE, SINE))

def read_velocity(bits, kind):                                # bits 36 to 61 of a motion word
    form = bits.ones(4)
    if form > 2:                                              # escape; of zero it is rest, unless sampled (4)
        code = bits.take(24)
        return code | 3 << 24 if form == 4 else code and code | 1 << 24
    if form:
        code = bits.take(14) if form == 2 else bits.take(8) | 15 << 8
    else:
        code = 0 if bits.take(1) else bits.take(3) * 32 | 15 << 8
    need(code == 0 or code >> 12 < len(kind.speeds), "speed class")
    return code if code >> 8 & 15 else 0

def read_t0(bits, tick):                                      # the newest tick with these low bits, not after the packet's
    return tick - (tick - bits.take(10) & 1023) & M32

def read_motion(bits, schema, kind, tick):
    x, y = bits.take(schema.bits), bits.take(schema.bits)
    word = x | y << 18 | read_velocity(bits, kind) << 36
    return word, 0 if at_rest(word) else read_t0(bits, tick)

def read_step(bits, schema, kind, word, t0, tick):            # the motion after (word, t0)
    place = word & 0x3FFFF, word >> 18 & 0x3FFFF
    if at_rest(word):
        t0 = read_t0(bits, tick)
    else:
        gap, q, last = bits.golomb(4), schema.quantum, (1 << schema.bits) - 1
        t0 = t0 + gap & M32
        need(gap <= 65535 and signed(tick - t0 & M32, 32) >= 0, "T0 of a step")
        place = [min(max((i * q + q // 2 + v * gap) // q, 0), last) for i, v in zip(place, velocity(kind, word))]
    x, y = place[0] + bits.zigzag(0), place[1] + bits.zigzag(0)
    need(0 <= min(x, y) and max(x, y) >> schema.bits == 0, "off the grid")
    word = x | y << 18 | read_velocity(bits, kind) << 36
    return word, 0 if at_rest(word) else t0

# ---- a version of an entity
Version = namedtuple("Version", "kind record t0 groups texts")        # groups: the visible ones; texts: {field name: bytes}

def share(entity, v):
    h = 0x9E3779B97F4A7C15 ^ v.kind.index
    for word in range(v.kind.words):
        h = mix(h, (v.record & v.kind.public) >> 64 * word & M64)
    if v.kind.motion and not at_rest(v.record):
        h = mix(h, v.t0)
    return mix(entity, (h ^ h >> 32) & M32) >> 32

def read_values(bits, groups, record, texts):
    for f in (f for g in groups for f in g.fields):
        value = bits.text() if f.type == TEXT else bits.take(f.bits)
        if f.type == TEXT:                                    # the record holds its hash, 0 for the empty one alone
            texts, value = {**texts, f.name: value}, value and (fnv(value, 2166136261, 16777619, M32) or 1) or 0
        record = record & ~(((1 << f.bits) - 1) << f.at) | value << f.at
    return record, texts

def read_absolute(bits, schema, kind, tick):
    owner, party = bits.take(1), bits.take(1)
    groups = [g for g in kind.groups if g.audience == ALL or owner or party and g.audience == PARTY]
    word, t0 = read_motion(bits, schema, kind, tick) if kind.motion else (0, 0)
    record, texts = read_values(bits, groups, word, {})
    return Version(kind, record, t0, groups, texts)

def read_delta(bits, schema, base, tick):
    kind, word, t0, groups = base.kind, base.record & M64, base.t0, base.groups
    if kind.motion:
        steps = bits.ones(5)
        if steps == 5:                                        # behind a gap: one more, and the first is read whole
            steps = bits.take(2)
            word, t0 = read_motion(bits, schema, kind, tick)
        for _ in range(steps):
            word, t0 = read_step(bits, schema, kind, word, t0, tick)
    changed = groups if groups and bits.take(1) else []
    if changed and len(groups) > 1:
        changed = groups[:1] if bits.take(1) else [g for g in groups if bits.take(1)]
    record, texts = read_values(bits, changed, base.record & ~M64 | word, base.texts)
    return base._replace(record=record, t0=t0, texts=texts)

class Stay:                                                   # an entity in a slot, from its Enter to its Leave (sequences)
    def __init__(self, entity, enter):                        # `moved` when the entity lives in another slot by now
        self.entity, self.enter, self.leave, self.moved, self.versions = entity, enter, None, False, []

    def add(self, sequence, version):
        if not self.versions or self.versions[-1][1] != version:
            self.versions = [*self.versions, (sequence, version)][-RING:]

    def at(self, b):
        return next((v for s, v in reversed(self.versions) if s <= b), None)

class Replica:
    def __init__(self, welcome):
        _, _, _, length, self.tick, self.due, *_, hashed, size = struct.unpack_from("<HiiIIqB4B3HQH", welcome, 1)
        need(fnv(welcome[48:], 14695981039346656037, 1099511628211, M64) == hashed, "hash of the schema")
        self.schema, self.keep = Schema(welcome[48:48 + size]), KEPT_NS // length
        self.kept = {}                                        # entity: version and tick of its Leave, the oldest first
        self.stays = [[] for _ in range(SLOTS)]               # of each slot, the oldest first, those behind B left out

    def now(self, slot):                                      # the stay in the slot, until it leaves: also one that moved
        return self.stays[slot][-1] if self.stays[slot] and self.stays[slot][-1].leave is None else None

    def snapshot(self, data, sequence):
        """Reads a whole snapshot, computes its check from what is held, and only then applies it."""
        bits = Bits(data)
        tick, due = widen(self.tick, bits.take(16), 16) & M32, widen(self.due, bits.take(24), 24)
        bits.take(2 + 1)                                      # interval code, complete
        bits.take(1) and (bits.zigzag(2), bits.take(8))       # input tick, margin
        bits.take(1) and bits.take(27 + 27)                   # own place
        b = sequence - 1 - bits.golomb(3) if bits.take(1) else None
        shared, check = bits.take(1), bits.take(16)
        need(not shared or b is not None, "a share without B")
        for _ in range(bits.take(6) + 1 if bits.take(1) else 0):
            bits.golomb(2), bits.golomb(4)                    # density: cell, count
        operations = [*self.operations(bits, -1, 128, tick, b), *self.operations(bits, 127, SLOTS, tick, b)]
        bits.end()
        self.verify(operations, range(sequence % 32, SLOTS, 32) if shared else (), b, check)
        self.tick, self.due = tick, due
        for operation in operations:
            self.apply(sequence, *operation)
        self.forget(b)

    def operations(self, bits, slot, end, tick, b):
        count = bits.golomb(2)
        order = count and bits.take(4)
        for _ in range(count):
            slot += bits.golomb(order) + 1
            need(slot < end, "slot %d" % slot)
            yield self.operation(bits, slot, tick, b)

    def operation(self, bits, slot, tick, b):
        """(slot, code, entity, the version that a delta was read against, the new version)"""
        code, now, base, kind = bits.ones(4), self.now(slot), None, None
        entity = bits.take(32) if code == ENTER else now and now.entity
        if code == ENTER and not bits.take(1):                # not kept
            kind = self.schema.kinds[bits.take(self.schema.kind_bits)]
        elif code == ENTER:
            base, _ = self.kept.get(entity, (None, 0))
        elif code == UPDATE and now and not now.moved and b is not None:
            base = now.at(b)
        elif code == ABSOLUTE and now:
            kind = now.versions[-1][1].kind
        need(base or kind or code in (LEAVE, DESTROY), "slot %d holds nothing to start from" % slot)
        schema = self.schema
        version = read_absolute(bits, schema, kind, tick) if kind else base and read_delta(bits, schema, base, tick)
        return slot, code, entity, base, version

    def verify(self, operations, shared, b, check):           # who is both updated and in the share counts twice
        total = sum(share(entity, base) for _, _, entity, base, _ in operations if base)
        for stay in (stay for slot in shared for stay in self.stays[slot]):
            if stay.enter <= b and (stay.leave is None or stay.leave > b):
                need(stay.at(b), "entity %d as of %d is no longer in the ring" % (stay.entity, b))
                total += share(stay.entity, stay.at(b))
        need((total ^ (total & M32) >> 16) & 0xFFFF == check, "self-check")

    def apply(self, sequence, slot, code, entity, base, version):
        now = self.now(slot)
        if code == ENTER and (not now or now.entity != entity or now.moved):
            for other in filter(None, map(self.now, range(SLOTS))):
                other.moved |= other.entity == entity
            if now:                                           # what was there has left
                now.leave = sequence
            self.stays[slot].append(Stay(entity, sequence))
        if version:
            self.now(slot).add(sequence, version)
        elif now:                                             # Leave and Destroy repeat: often nothing is there any more
            now.leave = sequence
            if code == LEAVE and not now.moved:
                self.kept.pop(entity, None)                   # so that the newest is last
                self.kept[entity] = now.versions[-1][1], self.tick

    def forget(self, b):                                      # what left is held until B reaches its Leave, kept for 30 s
        if b is not None:
            self.stays = [[s for s in stays if s.leave is None or s.leave > b] for stays in self.stays]
        young = [(e, k) for e, k in self.kept.items() if signed(self.tick - k[1] & M32, 32) <= self.keep]
        self.kept = dict(young[-KEPT:])

    def lines(self):
        shown = {s.entity: s.versions[-1][1] for s in map(self.now, range(SLOTS)) if s and not s.moved}
        return [self.line(entity, shown[entity]) for entity in sorted(shown)]

    def line(self, entity, v):
        out, q = "%d %s" % (entity, v.kind.name), self.schema.quantum
        if v.kind.motion:
            x, y = ((v.record >> at & 0x3FFFF) * q + q // 2 for at in (0, 18))
            t0, sampled = "-" if at_rest(v.record) else v.t0, v.record >> 61 & 1
            out += " motion=%d,%d,%d,%d,%s,%d" % (x, y, *velocity(v.kind, v.record), t0, sampled)
        for f in (f for g in v.kind.groups for f in g.fields):
            out += " %s=%d" % (f.name, v.record >> f.at & (1 << f.bits) - 1)
            out += "/" + v.texts.get(f.name, b"").hex() if f.type == TEXT else ""
        return out

# ---- the connection
class Lane:                                                   # one lane of one end
    def __init__(self, window):
        self.window, self.next, self.early, self.message, self.size = window, 0, {}, b"", 0

    def take(self, first, last, number, size, data):          # yields the messages that are whole with this fragment
        number = widen(self.next, number, 16)
        need(number < self.next + self.window, "a fragment beyond the window")
        self.early[number] = first, last, size, data          # a copy of one that was taken is never looked at
        while self.next in self.early:
            first, last, size, data = self.early.pop(self.next)
            self.next, self.message, self.size = self.next + 1, self.message + data, size if first else self.size
            need(first == (len(self.message) == len(data)) and last == (len(self.message) == self.size), "message bytes")
            if last:
                yield self.message
                self.message = b""

def read_lane_block(data):                                    # (segments, what is behind the block)
    segments, at = [], 1
    need(data[0], "a lane block without a segment")
    for _ in range(data[0]):
        flags, number, here = struct.unpack_from("<BHB", data, at)
        first, last, size, at = flags >> 2 & 1, flags >> 3 & 1, here, at + 4
        if first and not last:                                # message bytes
            size, at = *struct.unpack_from("<I", data, at), at + 4
        need(flags < 16 and (here == 240 or last and here < 240) and at + here <= len(data) and size <= 256 * 1024, "segment")
        segments.append((flags & 3, (first, last, number, size, data[at:at + here])))
        at += here
    return segments, data[at:]

class Client:
    """Pairs are of client and server: the newest number sent by the one, accepted from the other, and the lanes of each."""
    def __init__(self):
        self.handshake, self.replica, self.paths, self.accepted = Handshake(), None, [], set()
        self.newest, self.lanes = [-1, -1], [[Lane(256 if lane == 3 else 64) for lane in range(4)] for _ in range(2)]

    def datagram(self, to_client, data):
        need(len(data) in SIZES.get((to_client, data[0]), ()), "type, direction or size of a datagram")
        (self.packet if PAYLOAD <= data[0] <= PATH_RESPONSE else self.handshake.datagram)(to_client, data)

    def packet(self, to_client, data):
        kind, header, newest = data[0], 4 if to_client else 11, self.newest[to_client]
        need(self.handshake.id and self.handshake.id.startswith(data[1:header - 2]), "connection id, or not accepted yet")
        sequence = widen(newest, int.from_bytes(data[header - 2:header], "little"), 16)
        body = self.handshake.sealing[to_client].open(sequence, data, header)
        need(to_client or sequence == newest + 1, "the client sends %d after %d" % (sequence, newest))
        need(kind != CLOSE or body[0] <= 7, "reason of a close")
        need(kind != PATH_RESPONSE or body in self.paths or body == bytes(1200 - 11 - 16), "path response")
        if to_client and (kind == CLOSE or sequence <= newest):         # nothing of a late packet is used
            return
        if kind == PATH_CHALLENGE:
            self.paths.append(body)
        elif kind == PAYLOAD:
            self.payload(to_client, sequence, body)
        self.newest[to_client] = sequence
        self.accepted.update([sequence] * to_client)

    def payload(self, to_client, sequence, body):
        flags, rest, segments = body[0], body[1:], []
        need(flags < 16 and flags & 9 != 8, "flags of a payload")
        if flags & 1:
            newest, bits = struct.unpack("<HI", rest[:2] + (b"\xff" * 4 if flags & 8 else rest[2:6]))
            rest = rest[2 if flags & 8 else 6:]
            self.acks(to_client, newest, bits)
        if flags & 2:
            segments, rest = read_lane_block(rest)
        need(flags & 4 or not rest, "bytes where no tail is")
        if flags & 4 and to_client:                           # before the lanes: nothing of a refused packet is used
            need(self.replica, "a snapshot before the welcome")
            self.replica.snapshot(rest, sequence)
        for lane, segment in segments:
            for message in self.lanes[to_client][lane].take(*segment):
                if to_client and lane == 0 and message[0] == 1:         # a welcome; nothing else is of matter here
                    self.replica = Replica(message)

    def acks(self, to_client, newest, bits):
        if to_client:
            newest = widen(self.newest[0], newest, 16)
            need(0 <= newest <= self.newest[0] and not bits >> min(newest, 32), "an ack of a packet never sent")
        else:
            mine = sum(1 << i for i in range(32) if self.newest[1] - 1 - i in self.accepted)
            need((newest, bits) == (self.newest[1] & 0xFFFF, mine), "the client acks others than were accepted here")

def compare(capture, expected):
    client, at = Client(), 0
    while at < len(capture):
        time, to_client, size = struct.unpack_from("<QBH", capture, at)
        try:
            client.datagram(to_client, capture[at + 11:at + 11 + size])
        except (ValueError, struct.error, IndexError) as e:
            return "the datagram at byte %d, %.3f s: %s" % (at, time / 1e9, e)
        at += 11 + size
    for ours, theirs in zip_longest(client.replica.lines() if client.replica else [], expected.splitlines()):
        if ours != theirs:
            return "here     %s\nexpected %s" % (ours, theirs)
    return "equal"

if __name__ == "__main__":
    with open(sys.argv[1], "rb") as a, open(sys.argv[2], encoding="utf-8") as b:
        outcome = compare(a.read(), b.read())
    print(outcome)
    sys.exit(outcome != "equal")
