using Hectare.Protocol;

namespace Hectare.Cli.Load;

/// <summary>What everyone may know of a mover's version, as one number: its motion and the fields of audience All.</summary>
/// <remarks>Made on one side from the published history, on the other from what a client says through its public face: no number of a version
/// travels, so content is what the two can compare. T0 counts only while moving, as in the self-check.</remarks>
internal static class MoverHash
{
    /// <summary>Starts with the motion.</summary>
    public static uint Begin(Kind kind, in PublishedMotion motion)
    {
        uint hash = Add(Add(2_166_136_261 ^ (uint)kind.Index, (uint)motion.X), (uint)motion.Y);
        hash = Add(Add(hash, (uint)motion.VelocityX), (uint)motion.VelocityY);
        return motion.IsRest ? hash : Add(Add(hash, motion.T0.Value), motion.Sampled ? 1u : 0);
    }

    /// <summary>Adds a field's raw bits.</summary>
    public static uint Add(uint hash, uint bits)
    {
        hash = (hash ^ bits) * 0x85EB_CA6B;
        return hash ^ (hash >> 15);
    }
}
