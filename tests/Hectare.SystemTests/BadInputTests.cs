using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Shouldly;

namespace Hectare.SystemTests;

/// <summary>Bad input is answered by one line that names option, value and range, and by exit code 2.</summary>
public sealed class BadInputTests
{
    [Theory]
    [InlineData("load --players 0", "--players 0: must be a whole number from 1 to 12000")]
    [InlineData("load --players abc", "--players abc: must be a whole number from 1 to 12000")]
    [InlineData("load --players", "--players: needs a value: a whole number from 1 to 12000")]
    [InlineData("load --seconds 99999", "--seconds 99999: must be a whole number from 1 to 3600")]
    [InlineData("load --workload chaos", "--workload chaos: must be one of uniform, towns, festival, idle, storm")]
    [InlineData("load --workload 2", "--workload 2: must be one of uniform, towns, festival, idle, storm")]
    [InlineData("load --sockets magic", "--sockets magic: must be one of auto, batched, framework")]
    [InlineData("load --decode-sample 0.05", "--decode-sample 0.05: must be a number from 0.1 to 1")]
    [InlineData("load --server-cpus 0-", "--server-cpus 0-: must be processor")]
    [InlineData("load --server-cpus 1000", "--server-cpus 1000: must be processor")]
    [InlineData("load --json /no/such/folder/x.json", "--json /no/such/folder/x.json: must be a file in a folder that exists")]
    [InlineData("load --seed -1", "--seed -1: must be a whole number from 0 to 18446744073709551615")]
    [InlineData("load --plyers 5", "--plyers: unknown option of 'hectare load'; it takes --players,")]
    [InlineData("load 77", "77: unknown option of 'hectare load'; it takes --players,")]
    [InlineData("load --players 1 --players 2", "'--players' expects a single argument but 2 were provided")]
    [InlineData("demo --players 12001", "--players 12001: must be a whole number from 1 to 12000")]
    [InlineData("serve --port 65536", "--port 65536: must be a whole number from 0 to 65535")]
    [InlineData("serve --players-max 16385", "--players-max 16385: must be a whole number from 1 to 16384")]
    [InlineData("serve --threads 17", "--threads 17: must be a whole number from 0 to 16")]
    [InlineData("serve --map /no/such.htm", "--map /no/such.htm: must be a file that exists")]
    [InlineData("serve --map /etc/hostname", "--map /etc/hostname: must be a map of the farm")]
    [InlineData("serve --control /no/such/folder/x", "--control /no/such/folder/x: must be a path of at most 100 bytes in a folder that exists")]
    [InlineData("serve --control /etc/hostname", "--control /etc/hostname: must be a path where no file is")]
    [InlineData("bots --server 10.1.2.3:40000", "--server 10.1.2.3:40000: must be 127.x.y.z:port with a port from 1 to 65535")]
    [InlineData("bots --server localhost", "--server localhost: must be 127.x.y.z:port with a port from 1 to 65535")]
    [InlineData("bots --ramp 0", "--ramp 0: must be a whole number from 1 to 5000")]
    [InlineData("bots --truth /etc/hostname", "--truth /etc/hostname: must be a board that 'hectare serve --truth' writes")]
    [InlineData("replay /no/such.rec", "FILE /no/such.rec: must be a recording that 'hectare serve --record' wrote")]
    [InlineData("replay /etc/passwd", "FILE /etc/passwd: this is no recording of a zone")]
    [InlineData("replay", "FILE: needs a value: a recording of 'hectare serve --record'")]
    [InlineData("inspect map /etc/hostname", "FILE /etc/hostname: must be a map")]
    [InlineData("inspect map /no/such/folder/x.htm", "FILE /no/such/folder/x.htm: must be a map that exists, or a new file in a folder that exists")]
    [InlineData("inspect peer 3", "--control: needs a value: the control socket of a running 'hectare serve --control PATH'")]
    [InlineData("inspect peer 3 --control /tmp/no-such-hectare", "--control /tmp/no-such-hectare: must be the control socket of a running")]
    [InlineData("inspect peer 3 monster 4 --control /tmp/no-such-hectare", "monster 4: must be 'entity E' with E from 1 to 4294967295, or nothing")]
    [InlineData("inspect", "name a command: schema, map, peer; --help tells of each")]
    [InlineData("dance", "dance: no such command; there are demo, serve, bots, load, replay, inspect")]
    [InlineData("", "name a command: demo, serve, bots, load, replay, inspect; --help tells of each")]
    public async Task One_line_names_option_value_and_range(string arguments, string expected)
    {
        CliResult result = await CliProcess.RunAsync(30, arguments.Split(' ', StringSplitOptions.RemoveEmptyEntries));

        result.ExitCode.ShouldBe(2, result.ToString());
        string[] lines = result.Errors.Trim().Split('\n');
        lines.Length.ShouldBe(1, result.ToString());
        lines[0].ShouldStartWith("hectare: ");
        lines[0].ShouldContain(expected);
        result.Output.ShouldNotContain("Usage");
    }

    [Theory]
    [InlineData(0)]
    [InlineData(2)]
    public async Task A_port_in_use_is_an_error_that_says_how_to_choose_another(int threads)
    {
        using var other = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
        other.Bind(new IPEndPoint(IPAddress.Any, 0));
        int port = ((IPEndPoint)other.LocalEndPoint!).Port;

        CliResult result = await CliProcess.RunAsync(30, "serve", "--port", Text(port), "--threads", Text(threads), "--seconds", "5");

        result.ExitCode.ShouldBe(2, result.ToString());
        result.Errors.ShouldContain($"--port {port}: another program uses this UDP port; choose another with --port N (1 to 65535), or --port 0 for any free one");
    }

    [Theory]
    [InlineData("--help", "demo", "inspect")]
    [InlineData("demo --help", "hectare demo --players 2000 --workload towns", "--players")]
    [InlineData("serve --help", "hectare serve --record zone.rec", "--players-max")]
    [InlineData("bots --help", "hectare bots --players 500", "--decode-sample")]
    [InlineData("load --help", "--fixed-rate --server-cpus 0 --bot-cpus 1", "Exit code")]
    [InlineData("replay --help", "hectare replay zone.rec", "Exit code")]
    [InlineData("inspect schema --help", "hectare inspect schema", "--json")]
    [InlineData("inspect map --help", "hectare inspect map farm.htm --seed 7", "SHA-256")]
    [InlineData("inspect peer --help", "hectare inspect peer 3 entity 4711", "--control")]
    public async Task Help_teaches_by_examples(string arguments, string example, string word)
    {
        CliResult result = await CliProcess.RunAsync(30, arguments.Split(' '));

        result.ExitCode.ShouldBe(0, result.ToString());
        result.Output.ShouldContain(example);
        result.Output.ShouldContain(word);
        result.Output.ShouldNotContain("--child", customMessage: "options between our own processes are not for people");
    }

    private static string Text(int value) => value.ToString(CultureInfo.InvariantCulture);
}
