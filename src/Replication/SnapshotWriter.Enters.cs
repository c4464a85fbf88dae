using Hectare.Protocol;

namespace Hectare.Replication;

/// <content>Who enters: what came into the peer's cells, nearest first, a bounded number a snapshot.</content>
public sealed partial class SnapshotWriter
{
    // A crowd's cell was left, or is one no more: the peer looks through its own slots, for nobody did it for it.
    private void Pull(PeerView peer, Tick tick)
    {
        if (!peer.PullOnce)
            return;
        _crowd.LookAround(peer, tick);
        peer.PullOnce = false;
        Span<PeerView.Slot> slots = peer.Slots;
        Counters.SlotsPulled += slots.Length;
        for (int i = 0; i < slots.Length; i++)
        {
            const int Ahead = 16;
            if (i + Ahead < slots.Length && slots[i + Ahead].State != SlotState.Free)
                _history.Prefetch(slots[i + Ahead].Row);
            ref PeerView.Slot slot = ref slots[i];
            if (slot.State is not (SlotState.Entering or SlotState.Known))
                continue;
            ref readonly WorldHistory.Row row = ref _history.RowOf(slot.Row);
            if (row.Id != slot.Id || row.Version != slot.AckedVersion || !_replicator.IsInInterest(peer, slot.Row, in row)
                || _replicator.AudienceTo(peer, row.Owner) != slot.AckedAudience)
            {
                peer.MarkSlot(i);
            }
        }
    }

    // Entities of newly subscribed cells, and those that came into subscribed ones: nearest cells first, a bounded number a snapshot.
    private void EnterPending(PeerView peer, Tick tick)
    {
        if (!peer.HasPending && !peer.HasArrivals)
            return;
        int enters = _options.EntersMax, returns = _options.ReturnsMax;
        _openBundleCount = 0;
        bool left = !EnterAvatar(peer, tick);
        if (peer.LandmarksDue)
            EnterLandmarks(peer, tick, ref enters, ref returns);
        if (peer.HasArrivals)
            EnterArrivals(peer, tick, ref enters, ref returns);
        if (peer.HasPending)
            left |= !EnterCells(peer, tick, ref enters, ref returns);
        if (_openBundleCount > 0 && (left || enters <= 0))
            CloseBundles(peer, tick);
        peer.HasPending = left || enters <= 0 || peer.LandmarksDue;
    }

    private void EnterArrivals(PeerView peer, Tick tick, ref int enters, ref int returns)
    {
        foreach ((int row, uint _) in peer.Arrivals.List)
        {
            // Where it is by now, and whoever it is.
            ref readonly WorldHistory.Row at = ref _history.RowOf(row);
            if (Interest.Subscribes(peer, at.CellX, at.CellY) && !TryEnter(peer, row, in at, tick, ref enters, ref returns))
                Interest.Reconsider(peer, at.CellX, at.CellY);
        }

        peer.Arrivals.Clear();
        peer.HasArrivals = false;
    }

    // False when some are left.
    private bool EnterCells(PeerView peer, Tick tick, ref int enters, ref int returns)
    {
        bool left = false;
        var pending = new PendingCells(_replicator.Interest, peer, _pendingCells);
        PrefetchPending(peer, pending);
        foreach (int cell in pending)
        {
            if (EnterCell(peer, cell, tick, ref enters, ref returns))
                _replicator.Interest.ClearPending(peer, cell);
            else
                left = true;
            if (enters <= 0)
                break;
        }

        return !left;
    }

    // Whether the peer holds them already is two looks into its memory for each: all at once.
    private void PrefetchPending(PeerView peer, in PendingCells pending)
    {
        int count = 0;
        foreach (int cell in pending)
        {
            foreach (int row in peer.IsCapped ? _world.Grid.OthersOf(cell) : _world.Grid.RowsOf(cell))
            {
                if (count == PrefetchRowsMax)
                    break;
                _history.Prefetch(row);
                _gathered[count++] = row;
            }
        }

        ReadOnlySpan<int> rows = _gathered.AsSpan(0, count);
        foreach (int row in rows)
            peer.PrefetchFind(_history.IdOf(row));
        foreach (int row in rows)
            peer.PrefetchFound(_history.IdOf(row));
    }

    // Before all others, however many share its cell. False while there is no slot for it.
    private bool EnterAvatar(PeerView peer, Tick tick)
    {
        int row = peer.AvatarRow;
        uint id = peer.AvatarId.Value;
        if (row < 0 || id == 0 || peer.HoldsAvatar || _world.Id[row] != id || _history.IdOf(row) != id || peer.FindSlot(id) >= 0)
            return true;
        int enters = 1, returns = 1;
        return Enter(peer, row, id, _kinds[_world.KindIndex[row]], tick, ref enters, ref returns);
    }

    // No cell leads to them. First of all, but with half of what may enter, so that neither they nor what is near waits for the other.
    private void EnterLandmarks(PeerView peer, Tick tick, ref int enters, ref int returns)
    {
        int entersLeft = enters / 2, returnsLeft = returns / 2;
        bool left = false;
        foreach (int row in _replicator.Landmarks.Rows)
        {
            uint id = _world.Id[row];
            int slot = peer.FindSlot(id);
            // It may have gone out of reach, or changed while the peer was too far away to be told.
            if (slot >= 0)
                peer.MarkSlot(slot);
            else if (_replicator.IsInInterest(peer, row, isHeld: false) && _history.IdOf(row) == id)
                left |= !EnterLandmark(peer, row, id, tick, entersLeft, returnsLeft, ref enters, ref returns);
        }

        peer.LandmarksDue = left;
    }

    private bool EnterLandmark(PeerView peer, int row, uint id, Tick tick, int entersLeft, int returnsLeft, ref int enters, ref int returns)
    {
        bool isInTurn = (enters > entersLeft && returns > returnsLeft) || IsOpenBundle(_world.Bundle[row]);
        if (!isInTurn || !Enter(peer, row, id, _kinds[_world.KindIndex[row]], tick, ref enters, ref returns))
            return false;
        OpenBundle(_world.Bundle[row]);
        return true;
    }

    // True when every entity of the cell that may enter has.
    private bool EnterCell(PeerView peer, int cell, Tick tick, ref int enters, ref int returns)
    {
        bool withMovers = _crowd.MayEnterByCell(peer, cell, tick);
        Counters.RowsEntered += _world.Grid.Count[cell] - (withMovers ? 0 : _world.Grid.MoverCount[cell]);
        foreach (int row in withMovers ? _world.Grid.RowsOf(cell) : _world.Grid.OthersOf(cell))
        {
            if (!TryEnter(peer, row, in _history.RowOf(row), tick, ref enters, ref returns))
                return false;
        }

        return true;
    }

    // False when it may enter and there is no room for it now. Judged by what is published of it, and by no other column: who is in a cell is in none of a cache.
    private bool TryEnter(PeerView peer, int row, in WorldHistory.Row at, Tick tick, ref int enters, ref int returns)
    {
        // Not published is what nobody is told of.
        uint id = at.Id;
        if (id == 0 || peer.FindSlot(id) >= 0 || !_replicator.EntersByCell(peer, row, in at))
            return true;
        Contract.Assert(id == _world.Id[row]);
        Kind kind = _kinds[at.Kind];
        // Capped, the crowd is chosen by rank: whoever entered here out of turn would leave again at once.
        if (kind.CountsInCrowd && (peer.IsCapped || peer.MoverCount >= _options.InterestCap) && !_replicator.IsRelevant(peer, row, tick))
        {
            peer.IsCapped = true;
            return true;
        }

        if (enters <= 0 || returns <= 0 || !Enter(peer, row, id, kind, tick, ref enters, ref returns))
            return false;
        OpenBundle(_world.Bundle[row]);
        _history.PrefetchRecord(row);
        return true;
    }

    // The budget of this snapshot is spent in the middle of a bundle: the rest of it comes along, or it would appear in pieces.
    private void CloseBundles(PeerView peer, Tick tick)
    {
        foreach (int cell in new SubscribedCells(_replicator.Interest, peer))
        {
            foreach (int row in _world.Grid.RowsOf(cell))
            {
                uint id = _world.Id[row];
                if (!IsOpenBundle(_world.Bundle[row]) || _history.IdOf(row) != id || peer.FindSlot(id) >= 0 || !_replicator.EntersByCell(peer, row))
                    continue;
                int enters = 1, returns = 1;
                Enter(peer, row, id, _kinds[_world.KindIndex[row]], tick, ref enters, ref returns);
            }
        }
    }

    private void OpenBundle(uint bundle)
    {
        if (bundle != 0 && _openBundleCount < _openBundles.Length && !IsOpenBundle(bundle))
            _openBundles[_openBundleCount++] = bundle;
    }

    private bool IsOpenBundle(uint bundle) => bundle != 0 && _openBundles.AsSpan(0, _openBundleCount).Contains(bundle);

    internal static bool Enter(PeerView peer, int row, uint id, Kind kind, Tick tick, ref int enters, ref int returns)
    {
        int index = peer.BeginEnter(row, id, kind);
        if (index < 0)
            return false;
        if (peer.TryTakeKept(id, row, tick, out uint version, out uint hash, out byte audience))
        {
            ref PeerView.Slot slot = ref peer.Slots[index];
            (slot.AckedVersion, slot.AckedAudience, slot.AckedHash) = (version, audience, hash);
            slot.Flags |= SlotFlags.OnKept;
            returns--;
        }
        else
        {
            enters--;
        }

        return true;
    }
}
