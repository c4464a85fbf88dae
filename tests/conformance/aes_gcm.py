"""AES-256-GCM (FIPS 197, NIST SP 800-38D), opening only: as much of it as decode.py needs, checked when it is loaded.

Not for other use: table look-ups take a time that depends on the secret.
"""
import struct
from functools import reduce
from operator import xor

def tables():                                                 # the S-box, and for each row a column of its MixColumns
    powers = [1]                                              # of 3 in GF(2^8), which makes all 255 elements but zero
    while len(powers) < 255:
        p = powers[-1]
        powers.append(p ^ p << 1 ^ (p >> 7) * 0x11B)
    inverse = {0: 0, **{p: powers[-i] for i, p in enumerate(powers)}}
    sbox = [reduce(xor, (inverse[v] << n | inverse[v] >> 8 - n for n in range(5))) & 255 ^ 0x63 for v in range(256)]
    columns = []
    for s in sbox:
        double = s << 1 ^ (s >> 7) * 0x11B
        columns.append(double << 24 | s << 16 | s << 8 | double ^ s)
    return sbox, [[c >> 8 * row | c << 32 - 8 * row & 0xFFFFFFFF for c in columns] for row in range(4)]

SBOX, COLUMNS = tables()

def substitute(word):
    return int.from_bytes(bytes(SBOX[b] for b in word.to_bytes(4, "big")), "big")

def key_schedule(key):                                        # 60 words: four before each of 14 rounds, four at the end
    words, constant = list(struct.unpack(">8I", key)), 1
    for i in range(8, 60):
        word = words[-1]
        if i % 8 == 0:
            word = substitute((word << 8 | word >> 24) & 0xFFFFFFFF) ^ constant << 24
            constant *= 2
        elif i % 8 == 4:
            word = substitute(word)
        words.append(words[-8] ^ word)
    return words

class AesGcm:
    def __init__(self, key):
        self.schedule = key_schedule(key)
        power, self.rows = self.encrypt(bytes(16)), []        # H; a block is a polynomial, its first bit x^0
        for _ in range(16):                                   # for each byte of a block: each of its values times H
            powers, row = [], [0]
            for _ in range(8):
                powers.append(power)
                power = power >> 1 ^ (power & 1) * (0xE1 << 120)
            for p in reversed(powers):
                row += [v ^ p for v in row]
            self.rows.append(row)

    def encrypt(self, block):                                 # one block, as an integer, high byte first
        key, (t0, t1, t2, t3) = self.schedule, COLUMNS
        s = [word ^ key[i] for i, word in enumerate(struct.unpack(">4I", block))]
        for at in range(4, 56, 4):                            # s[i - 3] is the next column but i = 3 goes round to 0
            s = [t0[s[i] >> 24] ^ t1[s[i - 3] >> 16 & 255] ^ t2[s[i - 2] >> 8 & 255] ^ t3[s[i - 1] & 255] ^ key[at + i]
                 for i in range(4)]
        last = bytes(SBOX[s[i + row & 3] >> 24 - 8 * row & 255] for i in range(4) for row in range(4))
        return int.from_bytes(last, "big") ^ int.from_bytes(struct.pack(">4I", *key[56:]), "big")

    def hash(self, data):                                     # GHASH of whole blocks
        h = 0
        for at in range(0, len(data), 16):
            h ^= int.from_bytes(data[at:at + 16], "big")
            h = reduce(xor, (row[b] for row, b in zip(self.rows, h.to_bytes(16, "big"))))
        return h

    def open(self, nonce, sealed, header):
        """The plain text of `sealed`, which ends with the tag; ValueError if the tag does not fit it and the header."""
        text, tag = sealed[:-16], int.from_bytes(sealed[-16:], "big")
        padded = (data + bytes(-len(data) % 16) for data in (header, text))
        lengths = struct.pack(">QQ", 8 * len(header), 8 * len(text))
        if self.hash(b"".join((*padded, lengths))) ^ self.encrypt(nonce + b"\0\0\0\1") != tag:
            raise ValueError("AEAD tag")
        blocks = (self.encrypt(nonce + struct.pack(">I", 2 + i)) for i in range(-(-len(text) // 16)))
        stream = b"".join(block.to_bytes(16, "big") for block in blocks)
        return bytes(map(xor, text, stream))

def check():                                                  # test case 16 of McGrew and Viega's specification of GCM
    key, nonce = bytes.fromhex("feffe9928665731c6d6a8f9467308308") * 2, bytes.fromhex("cafebabefacedbaddecaf888")
    plain = ("d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
             "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39")
    sealed = ("522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
              "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f66276fc6ece0f4e1768cddf8853bb2d551b")
    header = "feedfacedeadbeeffeedfacedeadbeefabaddad2"
    assert AesGcm(key).open(nonce, bytes.fromhex(sealed), bytes.fromhex(header)).hex() == plain

check()
