namespace Hectare.Tests.Transport;

/// <summary>Bytes that a piece of work allocates once it is warm.</summary>
internal static class Allocation
{
    /// <summary>Runs the work in rounds and gives the bytes of the thriftiest round on this thread.</summary>
    /// <remarks>Code that the JIT has not optimised yet boxes, and says when it is done only by being done: what the work itself allocates is in
    /// every round.</remarks>
    public static long SteadyBytes(Action round)
    {
        long least = long.MaxValue;
        for (int i = 0; i < 30 && least > 0; i++)
        {
            long before = GC.GetAllocatedBytesForCurrentThread();
            round();
            long bytes = GC.GetAllocatedBytesForCurrentThread() - before;
            if (i > 1)
                least = Math.Min(least, bytes);
        }

        return least;
    }
}
