"""What comes before the payload in the Hectare wire format, version 2: connect token, handshake, keys, and what seals a packet."""
import hmac, struct
from aes_gcm import AesGcm

M64, VERSION, EPOCH = (1 << 64) - 1, 2, 1 << 20
C = (0x6A09E667F3BCC908, 0xBB67AE8584CAA73B, 0x3C6EF372FE94F82B, 0xA54FF53A5F1D36F1)
REQUEST, CHALLENGE, RESPONSE, ACCEPTED, REFUSED, PAYLOAD, CLOSE, PATH_CHALLENGE, PATH_RESPONSE, ASK, GRANT = range(11)
SIZES = {                                                     # bytes of a datagram, by its direction (1: to the client) and type
    (0, REQUEST): [1200], (0, RESPONSE): [1200], (0, ASK): [1200],
    (1, CHALLENGE): [90], (1, ACCEPTED): [41], (1, REFUSED): range(35, 236), (1, GRANT): range(35, 1201),
    (0, PAYLOAD): range(28, 1201), (0, CLOSE): [28], (0, PATH_RESPONSE): range(35, 1201),
    (1, PAYLOAD): range(21, 1201), (1, CLOSE): [21], (1, PATH_CHALLENGE): [28]}

def need(condition, why):
    if not condition:
        raise ValueError(why)

def fold(x, y):
    return (x * y >> 64) ^ (x * y & M64)

def tag(client, data):                                        # the checksum where there are no keys yet
    low, high = struct.unpack("<QQ", client)
    k0, k1 = fold(low ^ C[0], C[1]), fold(high ^ C[2], C[3])
    k2, h = fold(k0 ^ C[1], k1 ^ C[2]), k0
    for x, y in struct.iter_unpack("<QQ", data + bytes(-len(data) % 16)):
        h = fold(x ^ k1, y ^ h)
    t0 = fold(h ^ k2, len(data) ^ k0)
    return struct.pack("<QQ", t0, fold(t0 ^ k1, h ^ k2))

def hmac_sha256(key, data):
    return hmac.digest(key, data, "sha256")

def expand(secret, info):                                     # HKDF-Expand to 32 bytes: one block
    return hmac_sha256(secret, info + b"\1")

def read_token(token):
    """Its secret and its sealed part, of which the cluster's servers alone can read more than the length."""
    form, version, _, endpoints = struct.unpack_from("<BHQB", token)
    at = 12 + 18 * endpoints
    secret, size, sealed = token[at:at + 32], *struct.unpack_from("<H", token, at + 32), token[at + 34:]
    need((form, version) == (1, VERSION) and 1 <= endpoints <= 4, "head of a token")
    need(len(sealed) == size <= 1024 and sealed[1:11] == token[1:11], "sealed part of a token")     # version, expires
    need(0 <= size - 39 - 76 - 18 * endpoints <= 512, "user bytes of a token")
    return secret, sealed

class Sealing:
    """What one end seals with: the key of each epoch. A number that comes again may only be a copy of its packet."""
    def __init__(self, direction, secret):
        self.direction, self.secret, self.ciphers, self.packets = direction, secret, [], {}

    def open(self, number, packet, header):                   # header: its bytes
        need(number >= 0, "a number below zero")
        need(self.packets.setdefault(number, packet) == packet, "number %d is used twice" % number)
        while len(self.ciphers) <= number // EPOCH:
            self.ciphers.append(AesGcm(expand(self.secret, b"key")))
            self.secret = expand(self.secret, b"next")
        nonce = struct.pack("<IQ", self.direction, number)
        return self.ciphers[number // EPOCH].open(nonce, packet[header:], packet[:header])

class Handshake:
    def __init__(self):
        self.client, self.suites, self.offered = None, None, []         # client random; what challenges said
        self.secret = self.sealed = self.keys = self.sealing = self.id = None       # of the token, of the connection

    def datagram(self, to_client, data):
        kind, body, end = data[0], data[:-16], data[-16:]
        if kind in (REQUEST, ASK):
            need(body[1:7] == b"HECT" + struct.pack("<H", VERSION), "HECT and version")
            self.client, self.suites, zeros = body[7:23], body[23], body[24 if kind == REQUEST else 23:]
            need(not any(zeros), "zeros of a request")
        else:
            need(body[1:17] == self.client, "client random")
        if kind == RESPONSE:
            self.response(body[:-16], body[-16:])
        if kind in (RESPONSE, ACCEPTED) or kind == REFUSED and body[17] not in (1, 7):
            need(self.keys and hmac_sha256(self.keys[to_client], body)[:16] == end, "mac")
        else:
            need(tag(self.client, body) == end, "tag")
        if kind == CHALLENGE:
            self.offered.append(body[1:])
        elif kind == ACCEPTED:
            need(self.id in (None, body[17:25]), "another connection id")
            self.id = body[17:25]
        elif kind == REFUSED:
            need(1 <= body[17] <= 8 and len(body) == 19 + body[18], "refused")
            body[19:].decode()
        elif kind == GRANT:
            need(len(body) == 19 + int.from_bytes(body[17:19], "little"), "token bytes")
            self.secret, self.sealed = read_token(body[19:])

    def response(self, body, end):                            # from here on both ends have the keys
        need(tag(self.client, body) == end, "tag of a response")
        need(body[1:74] in self.offered and body[74] == self.suites, "a response that is not to challenge and request")
        size, suite = int.from_bytes(body[115:117], "little"), body[73]
        need(body[117:117 + size] == self.sealed and not any(body[117 + size:]), "token and zeros of a response")
        need(suite in (1, 2) and self.suites >> suite - 1 & 1, "a suite that the client cannot do")
        need(suite == 1, "the suite is ChaCha20-Poly1305, which this decoder leaves out")
        prk, info = hmac_sha256(body[1:33], self.secret), b"hectare" + struct.pack("<HB", VERSION, suite)
        c_hs, s_hs, c_ap, s_ap = (expand(prk, info + label) for label in (b"c hs", b"s hs", b"c ap", b"s ap"))
        self.keys, self.sealing = (c_hs, s_hs), (Sealing(0, c_ap), Sealing(1, s_ap))
