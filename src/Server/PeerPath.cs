using Hectare.Transport;

namespace Hectare.Server;

/// <summary>An address that a client seems to have moved to, until it is proved or given up. No server sends more to it than came from it, unless it is only
/// another port of the client's own address.</summary>
internal sealed class PeerPath
{
    /// <summary>An address that was not proved by then is given up.</summary>
    public const long PatienceNs = 2_000_000_000;

    // Short, since a lost challenge is silence for a player; each is 28 bytes of credit.
    private const long ChallengeIntervalNs = 100_000_000;
    private const int ChallengeBytes = 28;

    private long _begunNs;
    private long _nextChallengeNs;
    private long _credit;          // bytes that came from there, less those sent there; of a followed stream's only the challenges
    private bool _isTold;
    private bool _hasFailed;

    /// <summary>The address; meaningful while <see cref="IsActive"/>.</summary>
    public PeerAddress Address { get; private set; }

    /// <summary>What its challenges hold.</summary>
    public ulong Data { get; private set; }

    /// <summary>True while an address is looked at.</summary>
    public bool IsActive { get; private set; }

    /// <summary>True when everything goes there already: the same machine, or another behind the same router.</summary>
    public bool IsFollowed { get; private set; }

    /// <summary>Most bytes of a packet that may go there now. 0 unless the client said that it moved: a genuine packet alone may be another's copy.</summary>
    public int BytesMax => IsFollowed ? PacketHeader.DatagramBytesMax : _isTold ? (int)Math.Clamp(_credit, 0, PacketHeader.DatagramBytesMax) : 0;

    public bool IsAt(in PeerAddress address) => IsActive && Address == address;

    /// <summary>The newest packet of the client came from there.</summary>
    public void Begin(in PeerAddress address, bool isSameHost, ulong data, long nowNs)
    {
        // One that is given up for another has proved nothing either.
        _hasFailed |= IsActive;
        (Address, Data, IsActive) = (address, data, true);
        (_begunNs, _nextChallengeNs, _credit, _isTold) = (nowNs, nowNs, 0, false);
        // Once only: who follows again and again without a proof, follows for ever.
        IsFollowed = isSameHost && !_hasFailed;
    }

    /// <summary>A packet that opened came from there; it may be the news of the move.</summary>
    public void Hear(int bytes, bool isNews)
    {
        _credit += bytes;
        _isTold |= isNews;
    }

    /// <summary>A packet of the stream was sent there.</summary>
    public void Spend(int bytes) => _credit -= IsFollowed ? 0 : bytes;

    /// <summary>True when a challenge is to be sent; counts it as sent.</summary>
    public bool TryTakeChallenge(long nowNs)
    {
        if (!IsActive || nowNs < _nextChallengeNs || _credit < ChallengeBytes)
            return false;
        _nextChallengeNs = nowNs + ChallengeIntervalNs;
        _credit -= ChallengeBytes;
        return true;
    }

    /// <summary>Gives the address up when its time is over.</summary>
    /// <returns>True when it did.</returns>
    public bool TryGiveUp(long nowNs)
    {
        if (!IsActive || nowNs - _begunNs < PatienceNs)
            return false;
        _hasFailed = true;
        End();
        return true;
    }

    /// <summary>It is proved.</summary>
    public void Prove()
    {
        End();
        _hasFailed = false;
    }

    /// <summary>The client is heard where it was.</summary>
    public void End()
    {
        _hasFailed |= IsFollowed;
        (IsActive, IsFollowed) = (false, false);
    }
}
