using System.Buffers.Binary;
using Hectare.Fuzz.Engine;
using Hectare.Protocol;
using Hectare.Transport;
using Hectare.Transport.Crypto;

namespace Hectare.Fuzz.Targets;

/// <summary>How often a link does what to a datagram, of 1,000. What is left passes as it is.</summary>
/// <param name="Lost">It does not arrive.</param>
/// <param name="Late">It arrives up to 300 ms later: others overtake it.</param>
/// <param name="Twice">It arrives again, up to 2 s later.</param>
/// <param name="Damaged">Bytes of it change after it was sealed: no key is needed.</param>
/// <param name="Forged">Its body changes before it is sealed: a peer that speaks wrongly on purpose.</param>
/// <param name="Renumbered">As forged, under another number.</param>
internal readonly record struct LinkRates(int Lost, int Late, int Twice, int Damaged, int Forged, int Renumbered)
{
    /// <summary>What anyone on the way can do.</summary>
    public static LinkRates WithoutKeys(ref SeededRandom random)
    {
        int most = 1 << random.Next(2, 8);
        return new LinkRates(random.Next(0, most), random.Next(0, most), random.Next(0, most), random.Next(0, 2 * most), 0, 0);
    }

    /// <summary>What the other end can do.</summary>
    public static LinkRates WithKeys(ref SeededRandom random)
    {
        int most = 1 << random.Next(5, 10);
        return WithoutKeys(ref random) with { Forged = random.Next(0, most), Renumbered = random.Next(0, most) };
    }
}

/// <summary>What opens and seals one direction of a connection whose secret is known.</summary>
internal sealed class Tap(CipherSuite suite, Secret256 secret, ConnectionSide sender, SequenceNumber first)
{
    private readonly Dictionary<ulong, EpochKeys> _epochs = [];
    private ulong _newest = first.Value;

    public int HeaderBytes => sender == ConnectionSide.Client ? PacketHeader.ClientHeaderBytes : PacketHeader.ServerHeaderBytes;

    /// <summary>Opens a datagram in place.</summary>
    public bool TryOpen(Span<byte> datagram, out ulong number)
    {
        number = 0;
        if (datagram.Length < HeaderBytes + PacketHeader.TagBytes || !PacketHeader.IsSealed((PacketType)datagram[0]))
            return false;
        short ahead = (short)(BinaryPrimitives.ReadUInt16LittleEndian(datagram[(HeaderBytes - 2)..]) - (ushort)_newest);
        number = _newest + (ulong)(long)ahead;
        Span<byte> nonce = stackalloc byte[PacketCipher.NonceBytes];
        EpochKeys.WriteNonce(nonce, sender, number);
        if (!CipherOf(number).TryOpen(nonce, datagram[..HeaderBytes], datagram[HeaderBytes..^PacketHeader.TagBytes], datagram[^PacketHeader.TagBytes..]))
            return false;
        _newest = Math.Max(_newest, number);
        return true;
    }

    /// <summary>Seals a body behind its header under any number.</summary>
    public void Seal(Span<byte> datagram, ulong number)
    {
        BinaryPrimitives.WriteUInt16LittleEndian(datagram[(HeaderBytes - 2)..], (ushort)number);
        Span<byte> nonce = stackalloc byte[PacketCipher.NonceBytes];
        EpochKeys.WriteNonce(nonce, sender, number);
        CipherOf(number).Seal(nonce, datagram[..HeaderBytes], datagram[HeaderBytes..^PacketHeader.TagBytes], datagram[^PacketHeader.TagBytes..]);
    }

    private PacketCipher CipherOf(ulong number)
    {
        ulong epoch = EpochKeys.EpochOf(number);
        // Numbers before the first: nobody opens them, so any key will do.
        if (epoch > EpochKeys.EpochOf(_newest) + 1)
            epoch = EpochKeys.EpochOf(_newest);
        if (!_epochs.TryGetValue(epoch, out EpochKeys? keys))
            _epochs[epoch] = keys = _epochs.TryGetValue(epoch - 1, out EpochKeys? before) ? before.Next() : new EpochKeys(suite, secret, epoch);
        return keys.Cipher;
    }
}

/// <summary>A datagram that a link gives out: of which flow, which way, and its bytes, good until the next.</summary>
internal readonly ref struct Delivery(int flow, bool toServer, Span<byte> datagram)
{
    public readonly int Flow = flow;
    public readonly bool ToServer = toServer;
    public readonly Span<byte> Datagram = datagram;
}

/// <summary>Everything between two ends, in virtual time from one seed: it loses, delays, repeats and damages what it carries, and where it has the
/// keys it also says something else under the sender's seal.</summary>
internal sealed class HostileLink(ulong seed, EpisodeLog log)
{
    private const int BufferBytes = 1400;
    private const int HistoryMax = 64;
    private const long DelayNs = 20_000_000;

    private readonly PriorityQueue<Item, (long DueNs, long Order)> _underWay = new();
    private readonly Stack<byte[]> _free = new();
    private readonly Dictionary<(int Flow, bool ToServer), Tap> _taps = [];
    private readonly Dictionary<(int Flow, bool ToServer), LinkRates> _rates = [];
    private readonly List<(byte[] Bytes, int Length)> _history = [];
    private readonly byte[] _work = new byte[BufferBytes];
    private SeededRandom _random = new(seed);
    private byte[]? _given;
    private long _order;

    /// <summary>Datagrams given out.</summary>
    public int Delivered { get; private set; }

    public void SetRates(int flow, bool toServer, in LinkRates rates) => _rates[(flow, toServer)] = rates;

    /// <summary>The keys of a flow are known from here on.</summary>
    public void SetTap(int flow, bool toServer, Tap tap) => _taps[(flow, toServer)] = tap;

    public void Post(int flow, bool toServer, ReadOnlySpan<byte> datagram, long nowNs)
    {
        Remember(datagram);
        _rates.TryGetValue((flow, toServer), out LinkRates rates);
        int dice = _random.Next(0, 1000);
        if ((dice -= rates.Lost) < 0)
            return;
        datagram.CopyTo(_work);
        int length = datagram.Length;
        long delayNs = DelayNs;
        string what = toServer ? "to the server" : "to the client";
        if ((dice -= rates.Late) < 0)
            delayNs += _random.Next(0L, 300_000_000);
        else if ((dice -= rates.Twice) < 0)
            Enqueue(flow, toServer, "again", length, nowNs + _random.Next(0L, 2_000_000_000));
        else if ((dice -= rates.Damaged) < 0)
            (what, length) = ("damaged", Mutator.Mutate(ref _random, _work.AsSpan(0, PacketHeader.DatagramBytesMax + 50), length));
        else if ((dice -= rates.Forged) < 0)
            (what, length) = ("forged", Forge(flow, toServer, length, renumber: false));
        else if (dice - rates.Renumbered < 0)
            (what, length) = ("renumbered", Forge(flow, toServer, length, renumber: true));
        Enqueue(flow, toServer, what, length, nowNs + delayNs);
    }

    /// <summary>Sends what nobody has: an old datagram of any flow, damaged, or noise.</summary>
    public void PostNoise(int flow, bool toServer, long nowNs)
    {
        int length = _random.Next(0, 100);
        if (_history.Count > 0 && _random.Next(0, 8) != 0)
        {
            (byte[] bytes, int oldLength) = _history[_random.Next(0, _history.Count)];
            bytes.AsSpan(0, oldLength).CopyTo(_work);
            length = _random.Next(0, 4) == 0 ? oldLength : Mutator.Mutate(ref _random, _work.AsSpan(0, PacketHeader.DatagramBytesMax + 50), oldLength);
        }
        else
        {
            for (int i = 0; i < length; i++)
                _work[i] = (byte)_random.NextUInt64();
        }

        Enqueue(flow, toServer, "noise", length, nowNs + DelayNs);
    }

    /// <summary>The next datagram that has arrived by now.</summary>
    public bool TryTake(long nowNs, out Delivery delivery)
    {
        if (_given is not null)
            _free.Push(_given);
        _given = null;
        delivery = default;
        if (!_underWay.TryPeek(out _, out (long DueNs, long Order) due) || due.DueNs > nowNs)
            return false;
        Item item = _underWay.Dequeue();
        _given = item.Bytes;
        Delivered++;
        log.Add(item.What, item.Bytes.AsSpan(0, item.Length));
        delivery = new Delivery(item.Flow, item.ToServer, item.Bytes.AsSpan(0, item.Length));
        return true;
    }

    private void Enqueue(int flow, bool toServer, string what, int length, long dueNs)
    {
        byte[] bytes = _free.TryPop(out byte[]? free) ? free : new byte[BufferBytes];
        _work.AsSpan(0, length).CopyTo(bytes);
        _underWay.Enqueue(new Item(flow, toServer, what, bytes, length), (dueNs, _order++));
    }

    // Opened, changed, sealed again: only where the keys are known. Handshake packets are changed as they are, and their tag made right.
    private int Forge(int flow, bool toServer, int length, bool renumber)
    {
        if (!_taps.TryGetValue((flow, toServer), out Tap? tap) || !tap.TryOpen(_work.AsSpan(0, length), out ulong number))
            return length;
        int room = PacketHeader.DatagramBytesMax - tap.HeaderBytes - PacketHeader.TagBytes;
        int bodyBytes = length - tap.HeaderBytes - PacketHeader.TagBytes;
        if (!renumber || _random.Next(0, 2) == 0)
            bodyBytes = Mutator.Mutate(ref _random, _work.AsSpan(tap.HeaderBytes, room), bodyBytes);
        if (renumber)
            number += (ulong)(long)(_random.Next(0, 4) == 0 ? _random.Next(-33_000, 33_000) : _random.Next(-40, 40));
        if (_random.Next(0, 16) == 0)
            _work[0] = (byte)_random.Next(0, 16);
        length = tap.HeaderBytes + bodyBytes + PacketHeader.TagBytes;
        tap.Seal(_work.AsSpan(0, length), number);
        return length;
    }

    private void Remember(ReadOnlySpan<byte> datagram)
    {
        if (_history.Count < HistoryMax)
            _history.Add((new byte[BufferBytes], 0));
        else if (_random.Next(0, 8) != 0)
            return;
        int place = _history.Count < HistoryMax ? _history.Count - 1 : _random.Next(0, HistoryMax);
        datagram.CopyTo(_history[place].Bytes);
        _history[place] = (_history[place].Bytes, datagram.Length);
    }

    private readonly record struct Item(int Flow, bool ToServer, string What, byte[] Bytes, int Length);
}
