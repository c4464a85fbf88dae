namespace Hectare.Server;

/// <summary>A token bucket as one number, the time until which it is paid. Full at first. A mutable struct: keep it in a field that is not readonly.</summary>
internal struct RateBucket
{
    private long _paidUntilNs;

    /// <summary>True when more than the burst has been taken: nothing is left now.</summary>
    /// <param name="burstNs">The burst, as the time in which the rate gives it.</param>
    /// <param name="nowNs">Now.</param>
    public readonly bool IsEmpty(long burstNs, long nowNs) => _paidUntilNs - nowNs >= burstNs;

    /// <summary>Takes from it; what is not there is owed.</summary>
    /// <param name="costNs">What is taken, as the time in which the rate gives it.</param>
    /// <param name="nowNs">Now.</param>
    public void Take(long costNs, long nowNs) => _paidUntilNs = Math.Max(_paidUntilNs, nowNs) + costNs;
}
