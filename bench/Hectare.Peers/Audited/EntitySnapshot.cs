using System.Numerics;
using Hectare.Protocol;

namespace Hectare.Peers.Audited;

/// <summary>What a snapshot copies of one entity.</summary>
internal readonly record struct EntityState(Vector2 Position, Vector2 Velocity, byte SpriteFrame, byte StateFlags);

/// <summary>What one peer is told of one tick: an object of its own, kept as the baseline of the next.</summary>
/// <remarks>
/// The wire of the audit: 14 bytes of header (sequence 16 bits, baseline's sequence 16, time 64, count 16); for each entity, by rising id, the gap to the last
/// id (6 to 14 bits), one bit "changed" when the baseline has it, and if it changed all 74 bits: 2 x 18 of position, 2 x 11 of velocity, 8 of sprite, 8 of flags.
/// </remarks>
internal sealed class EntitySnapshot(ushort sequence, double timestamp, int capacity)
{
    /// <summary>Most entities in one.</summary>
    public const int EntitiesMax = 100;

    /// <summary>Most bytes of one.</summary>
    public const int PacketBytesMax = 1_400;

    public const int HeaderBits = 14 * 8;
    public const int PositionBits = 18;
    public const int VelocityBits = 11;
    public const int IdGolomb = 5;
    public const float VelocityUnitsPerSecondMax = 32;

    private const float PositionScale = (1 << PositionBits) / PeerWorld.ExtentUnits;
    private const float VelocityScale = (1 << (VelocityBits - 1)) / VelocityUnitsPerSecondMax;

    /// <summary>Wraps after 65,536: the audit's tenth finding.</summary>
    public ushort Sequence { get; } = sequence;

    /// <summary>Tick times its length, s: the audit's seventh finding.</summary>
    public double Timestamp { get; } = timestamp;

    /// <summary>What it tells, by id.</summary>
    public Dictionary<int, EntityState> Entities { get; } = new(capacity);

    /// <summary>Writes it as the difference to what was sent last (null: whole). Gives the bytes used.</summary>
    /// <param name="baseline">What was sent before; nobody knows whether it arrived: the audit's fourth finding.</param>
    /// <param name="ids">Room to sort in.</param>
    /// <param name="target">At least <see cref="PacketBytesMax"/> bytes.</param>
    public int Serialize(EntitySnapshot? baseline, List<int> ids, Span<byte> target)
    {
        var writer = new BitWriter(target[..PacketBytesMax]);
        writer.Write(Sequence, 16);
        writer.Write(baseline?.Sequence ?? 0u, 16);
        writer.Write(BitConverter.DoubleToUInt64Bits(Timestamp), 64);
        writer.Write((ulong)Entities.Count, 16);
        ids.Clear();
        ids.AddRange(Entities.Keys);
        ids.Sort();
        int previous = 0;
        foreach (int id in ids)
        {
            writer.WriteGolomb((uint)(id - previous), IdGolomb);
            previous = id;
            EntityState state = Entities[id];
            if (baseline is not null && baseline.Entities.TryGetValue(id, out EntityState before))
            {
                bool changed = state != before;
                writer.WriteBool(changed);
                if (!changed)
                    continue;
            }

            Write(ref writer, in state);
        }

        return writer.Finish().Length;
    }

    /// <summary>A position's 18 bits, each axis.</summary>
    public static uint QuantizePosition(float units) => (uint)Math.Clamp((int)(units * PositionScale), 0, (1 << PositionBits) - 1);

    /// <summary>A velocity's 11 bits, each axis, offset by half their range.</summary>
    public static uint QuantizeVelocity(float unitsPerSecond)
        => (uint)Math.Clamp((int)MathF.Round(unitsPerSecond * VelocityScale) + (1 << (VelocityBits - 1)), 0, (1 << VelocityBits) - 1);

    private static void Write(ref BitWriter writer, in EntityState state)
    {
        writer.Write(QuantizePosition(state.Position.X), PositionBits);
        writer.Write(QuantizePosition(state.Position.Y), PositionBits);
        writer.Write(QuantizeVelocity(state.Velocity.X), VelocityBits);
        writer.Write(QuantizeVelocity(state.Velocity.Y), VelocityBits);
        writer.Write(state.SpriteFrame, 8);
        writer.Write(state.StateFlags, 8);
    }
}
