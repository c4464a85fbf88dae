using Hectare.Protocol;
using Hectare.Transport;

namespace Hectare.Server;

/// <summary>How much an address may ask of the zone: a token bucket for each source, in a table of fixed size that nobody can fill, clear or aim.</summary>
/// <remarks>
/// <para>A source is an IPv4 address or the /64 of an IPv6 address; its port does not count, since a client chooses it. What lies behind one source (a
/// carrier's NAT) shares a bucket.</para>
/// <para>Two rows of buckets, each with a keyed hash of its own, as in a count-min sketch with conservative update (Cormode and Muthukrishnan 2005; Estan
/// and Varghese 2002): a source is over its limit only when its buckets of both rows are. So another source is silenced only by traffic that fills both of
/// its places. The hashes are keyed by secrets, so nobody can choose addresses that meet a victim's; and filling every place takes columns x rate packets a
/// second, two million by default, more than a zone receives. There is no entry to evict.</para>
/// <para>A place is one number: the time until which it is paid (the generic cell rate algorithm, ITU-T I.371). Nothing has to be refilled or cleared.</para>
/// </remarks>
internal sealed class AddressLimiter
{
    /// <summary>Places of each row: 128 kB in all.</summary>
    public const int Columns = 8_192;

    private const int ColumnBits = 13;

    private readonly long[] _paidUntilNs = new long[2 * Columns];
    private readonly Hash _first;
    private readonly Hash _second;
    private readonly long _costNs;
    private readonly long _burstNs;

    /// <summary>A table in which every source has its whole burst.</summary>
    /// <param name="perSecond">Packets a second that a source may send for ever, 1 or more.</param>
    /// <param name="burst">Packets that it may send at once after a silence, 1 or more.</param>
    /// <param name="random">For the keys of the hashes.</param>
    public AddressLimiter(int perSecond, int burst, ZoneRandom random)
    {
        Contract.Assert(perSecond > 0 && burst > 0);
        _costNs = 1_000_000_000L / perSecond;
        _burstNs = burst * _costNs;
        _first = new Hash(random);
        _second = new Hash(random);
        Array.Fill(_paidUntilNs, long.MinValue);
    }

    /// <summary>True when a source has nothing left. Changes nothing.</summary>
    /// <param name="from">The source.</param>
    /// <param name="subject">What the bucket is of, besides its source: a connection's id, or 0.</param>
    /// <param name="nowNs">Now.</param>
    public bool IsOver(in PeerAddress from, ulong subject, long nowNs)
    {
        ulong source = SourceOf(from);
        long paid = Math.Min(_paidUntilNs[_first.Of(source, subject)], _paidUntilNs[Columns + _second.Of(source, subject)]);
        return paid + _costNs > nowNs + _burstNs;
    }

    /// <summary>Takes one packet's worth from a source.</summary>
    /// <returns>False, and nothing is taken, when there is nothing left.</returns>
    public bool TryTake(in PeerAddress from, ulong subject, long nowNs)
    {
        ulong source = SourceOf(from);
        ref long first = ref _paidUntilNs[_first.Of(source, subject)];
        ref long second = ref _paidUntilNs[Columns + _second.Of(source, subject)];
        long paid = Math.Max(nowNs, Math.Min(first, second)) + _costNs;
        if (paid > nowNs + _burstNs)
            return false;
        // Conservative: a place that another source has filled further is left as it is.
        first = Math.Max(first, paid);
        second = Math.Max(second, paid);
        return true;
    }

    // A mapped IPv4 address lies in its low half, beginning with 0000:ffff; no /64 of the internet begins so.
    private static ulong SourceOf(in PeerAddress from) => from.IsIPv4 ? from.Low : from.High;

    /// <summary>Multiply and shift with 128-bit keys: any two inputs meet by a chance of 1 in the number of columns (Dietzfelbinger 1996).</summary>
    private readonly struct Hash(ZoneRandom random)
    {
        private readonly UInt128 _ofSource = new(random.Next(), random.Next());
        private readonly UInt128 _ofSubject = new(random.Next(), random.Next());
        private readonly UInt128 _added = new(random.Next(), random.Next());

        public int Of(ulong source, ulong subject) => (int)((_ofSource * source) + (_ofSubject * subject) + _added >> (128 - ColumnBits));
    }
}
