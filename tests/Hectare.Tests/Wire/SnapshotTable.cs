using Hectare.Cli.Dissection;
using Hectare.Protocol;
using Hectare.Tests.Replication;

namespace Hectare.Tests.Wire;

/// <summary>The rules of a snapshot's table; what an update starts from comes from a decoder that has accepted the same packets.</summary>
internal sealed class SnapshotTable(Schema schema, SnapshotDecoder decoder, SequenceNumber sequence, Tick tick)
{
    private readonly TextTable _texts = new();
    private TableScope _operation = null!;
    private Kind _kind = null!;
    private ulong[] _words = [];
    private Tick _t0;
    private int _visible;
    private ulong _velocity;
    private int _slot;
    private int _cell = -1;

    /// <summary>Operations read, with the version that those with a body led to.</summary>
    public List<(SlotOperation Operation, int Slot, uint Entity, ulong[]? Words, Tick T0)> Operations { get; } = [];

    public List<(int Cell, int Count)> Cells { get; } = [];

    public TableScope? Header { get; private set; }

    /// <summary>Enters of what was kept.</summary>
    public int Returns { get; private set; }

    /// <summary>Deltas behind a gap.</summary>
    public int Gaps { get; private set; }

    public void Apply(TableReader reader, Rule rule, TableScope scope)
    {
        switch (rule)
        {
            case Rule.SnapshotTime:
                scope.Numbers["kind bits"] = schema.KindBits;
                scope.Numbers["position bits"] = schema.Grid.Bits;
                break;
            case Rule.SnapshotHeader:
                Header = scope;
                break;
            case Rule.Cell:
                _cell += 1 + (int)scope["cell gap"];
                Cells.Add((_cell, (int)scope["movers"]));
                break;
            case Rule.Slot:
                _slot = (scope["operation index"] == 0 ? SlotCodec.FirstOf((int)scope["list index"]) - 1 : _slot) + 1 + (int)scope["slot gap"];
                (_operation, _words, _velocity) = (scope, [], 0);
                break;
            case Rule.Baseline:
                StartFrom(scope);
                break;
            case Rule.Kind:
                Start(schema.Kinds[(int)scope["kind"]]);
                break;
            case Rule.KindOfSlot:
                Start(decoder.Living(_slot)!.Kind);
                break;
            case Rule.Audience:
                _visible = _kind.VisibleGroups(scope["owner"] == 1, scope["party"] == 1);
                break;
            case Rule.Velocity:
                _velocity = VelocityOf(scope);
                scope.Numbers["at rest"] = Motion.IsRest(_velocity) ? 1 : 0;
                break;
            case Rule.Motion:
                Gaps += scope.Has("steps") ? 1 : 0;
                Set((int)scope["quantum x"], (int)scope["quantum y"], Motion.IsRest(_velocity) ? tick : Tick.WidenPast((uint)scope["t0 low"], EntityCodec.TickBits, tick));
                break;
            case Rule.Step:
                Step(scope);
                break;
            case Rule.ChangedGroups:
                ReadGroups(reader, ChangedGroups(scope));
                break;
            case Rule.VisibleGroups:
                ReadGroups(reader, _visible);
                break;
            case Rule.Operation:
                var operation = (SlotOperation)scope["code"];
                Operations.Add((operation, _slot, operation == SlotOperation.Enter ? (uint)scope["entity"] : 0, operation is SlotOperation.Leave or SlotOperation.Destroy ? null : _words, _t0));
                break;
            default:
                throw new InvalidOperationException($"a snapshot has no {rule}");
        }
    }

    private void StartFrom(TableScope scope)
    {
        SnapshotDecoder.Version version;
        if (scope["code"] == (int)SlotOperation.Enter)
        {
            (_kind, version) = decoder.KeptOf((uint)scope["entity"])!.Value;
            Returns++;
        }
        else
        {
            (SnapshotDecoder.Occupant of, version) = decoder.AsOf(_slot, sequence - 1 - (int)scope["baseline age"])!.Value;
            _kind = of.Kind;
        }

        Start(_kind);
        (_words, _t0) = ([.. version.Words], version.T0);
        _visible = _kind.VisibleGroups((version.Audience & 1) != 0, (version.Audience & 2) != 0);
        scope.Numbers["visible groups"] = System.Numerics.BitOperations.PopCount((uint)_visible);
        scope.Numbers["at rest"] = Motion.IsRest(_words[0]) ? 1 : 0;
    }

    private void Start(Kind kind)
    {
        (_kind, _words, _t0) = (kind, new ulong[kind.WordCount], tick);
        _operation.Numbers["has motion"] = kind.HasMotion ? 1 : 0;
    }

    private static ulong VelocityOf(TableScope scope)
    {
        return scope["velocity form"] switch
        {
            0 when scope["rest"] == 1 => 0,
            0 => Motion.Pack(0, 0, new Intent((byte)(scope["eighth"] * 32), Intent.MagnitudeMax)),
            1 => Motion.Pack(0, 0, new Intent((byte)scope["direction"], Intent.MagnitudeMax)),
            2 => Motion.Pack(0, 0, new Intent((byte)scope["direction"], (int)scope["magnitude"], (int)scope["speed class"])),
            var form => Motion.PackEscape(0, 0, (int)scope["velocity x"], (int)scope["velocity y"], sampled: form == 4),
        };
    }

    private void Step(TableScope scope)
    {
        PositionGrid grid = _kind.Grid;
        int x = Motion.QuantumX(_words[0]), y = Motion.QuantumY(_words[0]);
        Tick t0;
        if (Motion.IsRest(_words[0]))
        {
            t0 = Tick.WidenPast((uint)scope["t0 low"], EntityCodec.TickBits, tick);
        }
        else
        {
            int gap = (int)scope["t0 gap"];
            (int velocityX, int velocityY) = Motion.Velocity(_words[0], _kind);
            t0 = _t0 + gap;
            (x, y) = (grid.Quantize(grid.Dequantize(x) + (velocityX * gap)), grid.Quantize(grid.Dequantize(y) + (velocityY * gap)));
        }

        Set(x + (int)scope["residual x"], y + (int)scope["residual y"], t0);
    }

    private void Set(int quantumX, int quantumY, Tick t0)
    {
        _words[0] = Motion.Pack(quantumX, quantumY, Intent.Rest) | _velocity;
        _t0 = t0;
        _operation.Numbers["at rest"] = Motion.IsRest(_words[0]) ? 1 : 0;
    }

    private int ChangedGroups(TableScope scope)
    {
        int first = _visible & -_visible;
        if (_visible == first || scope["first group alone"] == 1)
            return first;
        int changed = 0, rest = _visible;
        foreach (TableScope bit in scope.Lists["mask"])
        {
            changed |= bit["changed"] == 1 ? rest & -rest : 0;
            rest &= rest - 1;
        }

        return changed;
    }

    private void ReadGroups(TableReader reader, int groups)
    {
        for (int i = 0; i < _kind.Groups.Length; i++)
        {
            if ((groups >> i & 1) == 0)
                continue;
            foreach (Field field in _kind.Groups[i].Fields)
            {
                if (field.Type == FieldType.Text)
                    field.Set(_words, _texts.Add(reader.TakeBytes(reader.Take(8))));
                else
                    field.SetWide(_words, (ulong)reader.Take(field.Bits));
            }
        }
    }
}
