using Hectare.Protocol;

namespace Hectare.Client;

// How entities are drawn: presentation time in, places out.
public sealed partial class ReplicaWorld
{
    /// <summary>Samples further apart than this are not waited for: the far class comes at 0.5 Hz.</summary>
    private const long SampleSpacingNsMax = 2_200_000_000;

    /// <summary>Packets whose ticks are remembered, to know which versions are shown already: 4 s at 15 Hz.</summary>
    private const int PacketsRemembered = 64;

    /// <summary>An entity's own sample delay moves at most this fast against its playback: half speed, never backwards.</summary>
    private const double SampleDelayRate = 0.5;

    private readonly List<int> _fading = [];
    private readonly (SequenceNumber Sequence, Tick Tick)[] _packets = new (SequenceNumber, Tick)[PacketsRemembered];
    private int _packetCount;
    private SequenceNumber _shownSequence;
    private Tick _limitTick;
    private long _frameNs;

    /// <summary>Moves the picture to a presentation time. Once a frame, before sampling.</summary>
    /// <param name="presentationTick">Fractional tick; does not go back.</param>
    /// <param name="nowNs">The caller's clock, for decays and fades.</param>
    public void AdvanceTo(double presentationTick, long nowNs)
    {
        _frameNs = nowNs;
        PresentationTick = presentationTick;
        DrawnTick = EasedTick();
        _shownSequence = NewestShownSequence();
        for (int i = _fading.Count - 1; i >= 0; i--)
        {
            ref EntityState entity = ref _entities[_fading[i]];
            if (FadeOut(in entity) > 0)
                continue;
            RemoveEntity(_fading[i]);
            _fading[i] = _fading[^1];
            _fading.RemoveAt(_fading.Count - 1);
        }
    }

    private SampledEntity SampleEntity(int index)
    {
        ref EntityState entity = ref _entities[index];
        DrawnMotion place = PlaceNow(in entity);
        (double offsetX, double offsetY, double errorFade) = entity.Error.At(_frameNs);
        double fade = errorFade * FadeIn(in entity) * FadeOut(in entity);
        return new SampledEntity(
            new EntityId(entity.Id), View(in entity).Own!, place.X + offsetX, place.Y + offsetY,
            place.VelocityX * _ticksPerSecond, place.VelocityY * _ticksPerSecond, (float)fade, entity.Leaving);
    }

    // Where the versions put it in the picture of now; no offset.
    private DrawnMotion PlaceNow(ref readonly EntityState entity) => PlaceAt(in entity, DrawnTick, DrawnTick - SampleDelay(in entity));

    private DrawnMotion PlaceAt(ref readonly EntityState entity, double tick, double sampleTick)
    {
        KindView view = View(in entity);
        if (view.Server.HasMotion)
            return entity.Knots.Count == 0 ? default : Interpolation.Follow(_timelines.Knots(in entity.Knots), view.Server, tick);
        if (view.Position is null)
            return default;
        if (!view.PositionSampled || entity.Samples.Count == 0)
            return view.PlaceOf(NewestRecord(in entity)) with { VelocityX = 0, VelocityY = 0 };
        return SampledPlace(in entity, view, sampleTick);
    }

    // Between the two samples around the time, over the span between their own ticks; after the newest it stands.
    private DrawnMotion SampledPlace(ref readonly EntityState entity, KindView view, double tick)
    {
        int words = view.Server.WordCount;
        int index = SampleIndexAt(in entity, words, tick);
        DrawnMotion start = view.PlaceOf(_timelines.Sample(in entity.Samples, Math.Max(0, index), words));
        if (index < 0 || index + 1 == entity.Samples.Count)
            return start with { VelocityX = 0, VelocityY = 0 };
        DrawnMotion end = view.PlaceOf(_timelines.Sample(in entity.Samples, index + 1, words));
        Tick lineFrom = _timelines.LineFrom(in entity.Samples, index + 1, words);
        double span = _timelines.SampleTick(in entity.Samples, index + 1, words) - lineFrom;
        double at = Interpolation.TicksSince(tick, lineFrom);
        if (at < 0 || span <= 0)
            return start with { VelocityX = 0, VelocityY = 0 };
        bool rested = lineFrom > _timelines.SampleTick(in entity.Samples, index, words);
        if (rested)
            start = start with { VelocityX = 0, VelocityY = 0 };
        return view.Velocity is null ? Interpolation.Linear(in start, in end, at, span) : Interpolation.Hermite(in start, in end, at, span);
    }

    private double SampledValue(ref readonly EntityState entity, Field field)
    {
        int words = View(in entity).Server.WordCount;
        double tick = DrawnTick - SampleDelay(in entity);
        int index = SampleIndexAt(in entity, words, tick);
        double start = field.Dequantize(field.Get(_timelines.Sample(in entity.Samples, Math.Max(0, index), words)));
        if (index < 0 || index + 1 == entity.Samples.Count)
            return start;
        double end = field.Dequantize(field.Get(_timelines.Sample(in entity.Samples, index + 1, words)));
        Tick lineFrom = _timelines.LineFrom(in entity.Samples, index + 1, words);
        double span = _timelines.SampleTick(in entity.Samples, index + 1, words) - lineFrom;
        double share = span <= 0 ? 0 : Math.Clamp(Interpolation.TicksSince(tick, lineFrom) / span, 0, 1);
        return field.Type == FieldType.Angle ? Interpolation.LinearAngle(start, end, share, 2 * Math.PI) : start + ((end - start) * share);
    }

    private int SampleIndexAt(ref readonly EntityState entity, int words, double tick)
    {
        int index = entity.Samples.Count - 1;
        while (index >= 0 && Interpolation.TicksSince(tick, _timelines.SampleTick(in entity.Samples, index, words)) < 0)
            index--;
        return index;
    }

    // What an entity's samples run behind the presentation: their spacing beyond a slot's, approached at half the playback's speed.
    private double SampleDelay(ref readonly EntityState entity)
    {
        double target = entity.SampleDelayTarget, way = target - entity.SampleDelayStart;
        if (way == 0)
            return target;
        double most = Math.Max(0, _frameNs - entity.SampleDelayNs) * SampleDelayRate / Zone.TickLengthNs;
        return entity.SampleDelayStart + Math.Clamp(way, -most, most);
    }

    private double FadeIn(ref readonly EntityState entity)
        => Math.Clamp(Interpolation.TicksSince(PresentationTick, entity.VisibleFrom) * Zone.TickLengthNs / FadeNs, 0, 1);

    private double FadeOut(ref readonly EntityState entity)
        => entity.Leaving && !double.IsNaN(PresentationTick)
            ? Math.Clamp(1 - (Interpolation.TicksSince(PresentationTick, entity.LeaveTick) * Zone.TickLengthNs / FadeNs), 0, 1)
            : entity.Leaving ? 0 : 1;

    // Motion goes on while packets come; without them it comes to rest beyond the limit.
    private double EasedTick()
    {
        if (!HasSnapshot || double.IsNaN(PresentationTick))
            return PresentationTick;
        double beyond = Interpolation.TicksSince(PresentationTick, _limitTick);
        return PresentationTick - beyond + Interpolation.EaseToRest(beyond, 0, (double)ExtrapolationNs / Zone.TickLengthNs);
    }

    // The newest packet whose tick the picture has reached; the oldest remembered when it has reached none.
    private SequenceNumber NewestShownSequence()
    {
        int remembered = Math.Min(_packetCount, PacketsRemembered);
        SequenceNumber shown = NewestSequence;
        for (int i = 1; i <= remembered; i++)
        {
            (shown, Tick tick) = _packets[(_packetCount - i) & (PacketsRemembered - 1)];
            if (double.IsNaN(PresentationTick) || Interpolation.TicksSince(PresentationTick, tick) >= 0)
                break;
        }

        return shown;
    }
}
