using Hectare.Transport;

namespace Hectare.Cli.Load.Hostile;

/// <summary>What was sent from each address of a range 127.a.b.c and what came back to it: the books of an amplification.</summary>
/// <remarks>UDP payload, both ways: every datagram has the same 28 bytes of headers, and an answer is one datagram for one at most.</remarks>
internal sealed class AddressLedger
{
    private readonly long[] _sentBytes;
    private readonly long[] _receivedBytes;

    /// <summary>Books for <paramref name="count"/> addresses from <paramref name="first"/> (IPv4, first byte highest) on.</summary>
    public AddressLedger(uint first, int count)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(count, 1);
        First = first;
        _sentBytes = new long[count];
        _receivedBytes = new long[count];
    }

    /// <summary>The first address.</summary>
    public uint First { get; }

    /// <summary>Addresses in the books.</summary>
    public int Count => _sentBytes.Length;

    /// <summary>Datagrams that came back to any of them.</summary>
    public long ReceivedDatagrams { get; private set; }

    /// <summary>Bytes that came back to any of them.</summary>
    public long ReceivedBytes { get; private set; }

    /// <summary>The address of an entry.</summary>
    public uint AddressOf(int entry) => First + (uint)entry;

    /// <summary>True when an address is in the books.</summary>
    public bool Has(uint address) => address - First < (uint)Count;

    /// <summary>A datagram left with this source address.</summary>
    public void AddSent(uint address, int bytes) => _sentBytes[address - First] += bytes;

    /// <summary>A datagram arrived at this address.</summary>
    public void AddReceived(uint address, int bytes)
    {
        _receivedBytes[address - First] += bytes;
        ReceivedDatagrams++;
        ReceivedBytes += bytes;
    }

    /// <summary>Bytes sent from an address.</summary>
    public long SentBytes(uint address) => _sentBytes[address - First];

    /// <summary>Addresses from which anything was sent.</summary>
    public int UsedAddresses => _sentBytes.Count(bytes => bytes > 0);

    /// <summary>Addresses that anything came back to.</summary>
    public int AnsweredAddresses => _receivedBytes.Count(bytes => bytes > 0);

    /// <summary>Addresses that got more bytes than came from them: each is a victim that a spoofer could name.</summary>
    public int AmplifiedAddresses => Enumerable.Range(0, Count).Count(entry => _receivedBytes[entry] > _sentBytes[entry]);

    /// <summary>Bytes received over bytes sent of the address where that is largest; infinite where nothing had been sent.</summary>
    public double LargestAmplification
    {
        get
        {
            double largest = 0;
            for (int entry = 0; entry < Count; entry++)
            {
                if (_receivedBytes[entry] > 0)
                    largest = Math.Max(largest, _receivedBytes[entry] / (double)_sentBytes[entry]);
            }

            return largest;
        }
    }

    /// <summary>The worst of them, for a message; empty when there is none.</summary>
    public string DescribeWorst()
    {
        int worst = -1;
        for (int entry = 0; entry < Count; entry++)
        {
            if (_receivedBytes[entry] > _sentBytes[entry] && (worst < 0 || _receivedBytes[entry] - _sentBytes[entry] > _receivedBytes[worst] - _sentBytes[worst]))
                worst = entry;
        }

        return worst < 0 ? "" : FormattableString.Invariant($"{PeerAddress.FromIPv4(AddressOf(worst), 0)} sent {_sentBytes[worst]} bytes and got {_receivedBytes[worst]}");
    }
}
