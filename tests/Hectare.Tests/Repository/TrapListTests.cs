using System.Reflection;
using System.Text.RegularExpressions;

namespace Hectare.Tests.Repository;

/// <summary>The eighteen traps of the design's list (replication, section 9): each has its test, in that order, and its line in docs/testing.md.</summary>
public sealed partial class TrapListTests
{
    private static readonly string[] Traps =
    [
        "Trap01_Acking_only_the_newest",
        "Trap02_History_ring_smaller_than_what_is_in_flight",
        "Trap03_Ack_window_shorter_than_the_resend_interval",
        "Trap04_Reader_and_writer_disagree_on_a_condition",
        "Trap05_Accumulator_zeroed_and_the_packet_lost",
        "Trap06_First_packet_is_a_late_one",
        "Trap07_Client_in_the_background_for_a_minute",
        "Trap08_Rest_never_acked_at_rest",
        "Trap09_Zero_change_entries_sent_for_ever",
        "Trap10_Slot_reused_before_the_leave_is_acked",
        "Trap11_Leave_cancelled_in_flight",
        "Trap12_Every_reliable_resend_due_in_one_tick",
        "Trap13_Late_spawns_because_observers_are_visited_in_slices",
        "Trap14_Every_packet_lost_between_leave_and_reenter",
        "Trap15_Two_turns_between_two_packets",
        "Trap16_Straight_walker_publishes_nothing_for_a_minute",
        "Trap17_Uplink_outage_longer_than_the_ack_window",
        "Trap18_Bandwidth_cap_hides_the_load",
    ];

    [Fact]
    public void Each_trap_has_one_test_that_runs()
    {
        MethodInfo[] tests = [.. typeof(TrapListTests).Assembly.GetTypes()
            .SelectMany(type => type.GetMethods(BindingFlags.Instance | BindingFlags.Public | BindingFlags.DeclaredOnly))
            .Where(method => TrapName().IsMatch(method.Name))
            .OrderBy(method => method.Name, StringComparer.Ordinal)];
        Assert.Equal(Traps, tests.Select(method => method.Name), StringComparer.Ordinal);
        Assert.All(tests, method => Assert.Null(Assert.Single(method.GetCustomAttributes<FactAttribute>()).Skip));
    }

    [Fact]
    public void The_page_lists_them_in_order()
    {
        string page = File.ReadAllText(Path.Combine(RepositoryRoot.Path, "docs", "testing.md"));
        Assert.Equal(Traps, TrapRow().Matches(page).Select(row => row.Groups["name"].Value), StringComparer.Ordinal);
    }

    [GeneratedRegex(@"^Trap\d\d_", RegexOptions.None, 1_000)]
    private static partial Regex TrapName();

    [GeneratedRegex(@"^\| `(?<name>Trap\d\d_\w+)` \|", RegexOptions.Multiline | RegexOptions.ExplicitCapture, 1_000)]
    private static partial Regex TrapRow();
}
