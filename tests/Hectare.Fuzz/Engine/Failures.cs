using System.Globalization;
using System.Security.Cryptography;
using Hectare.Protocol;

namespace Hectare.Fuzz.Engine;

/// <summary>Writes failing inputs to files, made small first where that is possible, and says what happened.</summary>
internal sealed class Failures(string folder)
{
    private static readonly TimeSpan ShrinkTime = TimeSpan.FromSeconds(3);

    /// <summary>An exception: a property that does not hold, or anything that a reader must not throw.</summary>
    public FailureReport OfException(FuzzTarget target, Exception broken, ReadOnlySpan<byte> input, long index)
    {
        string? story = target.Story();
        byte[] small = target.IsMutable ? Shrink(target, broken, input) : input.ToArray();
        string kind = broken is PropertyException ? "property" : broken is ContractException ? "contract" : "exception";
        return Of(target, kind, story is null ? broken.ToString() : $"{broken}\n{story}", small, index);
    }

    /// <summary>Anything else that one input did.</summary>
    public FailureReport Of(FuzzTarget target, string kind, string message, ReadOnlySpan<byte> input, long index)
    {
        Directory.CreateDirectory(folder);
        string name = string.Create(CultureInfo.InvariantCulture, $"{target.Name}-{Convert.ToHexStringLower(SHA256.HashData(input).AsSpan(0, 4))}.bin");
        string path = Path.Combine(folder, name);
        File.WriteAllBytes(path, input);
        return new FailureReport { Kind = kind, Message = message, InputIndex = index, InputHex = Convert.ToHexStringLower(input), File = path };
    }

    /// <summary>An input that did not end.</summary>
    public FailureReport OfHang(FuzzTarget target, string lastInputPath, TimeSpan patience)
        => OfLast(target, lastInputPath, "hang", string.Create(CultureInfo.InvariantCulture, $"an input was not done after {patience.TotalSeconds:0.#} s"));

    /// <summary>What a process was at when it died.</summary>
    public FailureReport OfLast(FuzzTarget target, string lastInputPath, string kind, string message)
        => LastInput.Read(lastInputPath) is { } last
            ? Of(target, kind, message, last.Input, last.Index)
            : new FailureReport { Kind = kind, Message = message };

    // Shorter, then simpler, as long as the same exception comes.
    private static byte[] Shrink(FuzzTarget target, Exception broken, ReadOnlySpan<byte> input)
    {
        long start = System.Diagnostics.Stopwatch.GetTimestamp();
        byte[] best = input.ToArray();
        bool TryTake(byte[] candidate)
        {
            if (System.Diagnostics.Stopwatch.GetElapsedTime(start) > ShrinkTime || !FailsAlike(target, broken, candidate))
                return false;
            best = candidate;
            return true;
        }

        for (int block = best.Length; block >= 1; block /= 2)
        {
            for (int at = best.Length - block; at >= 0; at -= block)
                TryTake([.. best[..at], .. best[(at + block)..]]);
        }

        for (int i = 0; i < best.Length; i++)
        {
            byte[] candidate = [.. best];
            candidate[i] = 0;
            if (best[i] != 0)
                TryTake(candidate);
        }

        return best;
    }

    private static bool FailsAlike(FuzzTarget target, Exception broken, byte[] candidate)
    {
        try
        {
            target.Run([.. candidate]);
            return false;
        }
        catch (Exception again)
        {
            return again.GetType() == broken.GetType() && again.Message == broken.Message;
        }
    }
}
