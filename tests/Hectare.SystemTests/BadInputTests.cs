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
    [InlineData("load --decode-sample 1.5", "--decode-sample 1.5: must be a number from 0.001 to 1")]
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
    [InlineData("serve --open --map /etc/hostname", "--map /etc/hostname: must be a map of the farm")]
    [InlineData("serve --control /no/such/folder/x", "--control /no/such/folder/x: must be a path of at most 100 bytes in a folder that exists")]
    [InlineData("serve --open --control /etc/hostname", "--control /etc/hostname: must be a path where no file is")]
    [InlineData("bots --server 10.1.2.3:40000", "--server 10.1.2.3:40000: must be 127.x.y.z:port with a port from 1 to 65535")]
    [InlineData("bots --server localhost", "--server localhost: must be 127.x.y.z:port with a port from 1 to 65535")]
    [InlineData("bots --behaviour evil", "--behaviour evil: must be one of honest, hostile, flood")]
    [InlineData("bots --behaviours speed,evil", "--behaviours speed,evil: must be different ones of speed, teleport,")]
    [InlineData("bots --behaviours speed,speed", "--behaviours speed,speed: must be different ones of speed, teleport,")]
    [InlineData("bots --rate 5", "--rate 5: must be a whole number from 100 to 2000000")]
    [InlineData("load --hostile 8001", "--hostile 8001: must be a whole number from 0 to 8000")]
    [InlineData("load --flood -1", "--flood -1: must be a whole number from 0 to 2000000")]
    [InlineData("load --hostile-cpus 1000", "--hostile-cpus 1000: must be processor")]
    [InlineData("load --input-hz 50", "--input-hz 50: must be a whole number from 2 to 30")]
    [InlineData("load --floor-seconds 61", "--floor-seconds 61: must be a whole number from 0 to 60")]
    [InlineData("bots --join-rate 0", "--join-rate 0: must be a whole number from 1 to 5000")]
    [InlineData("bots --truth /etc/hostname", "--truth /etc/hostname: must be a board that 'hectare serve --truth' writes")]
    [InlineData("replay /no/such.rec", "FILE /no/such.rec: must be a recording that 'hectare serve --record' wrote")]
    [InlineData("replay /etc/passwd", "FILE /etc/passwd: this is no recording of a zone")]
    [InlineData("replay", "FILE: needs a value: a recording of 'hectare serve --record'")]
    [InlineData("inspect map /etc/hostname", "FILE /etc/hostname: must be a map")]
    [InlineData("inspect map /no/such/folder/x.htm", "FILE /no/such/folder/x.htm: must be a map that exists, or a new file in a folder that exists")]
    [InlineData("inspect peer 3", "--control: needs a value: the control socket of a running 'hectare serve --control PATH'")]
    [InlineData("inspect peer 3 --control /tmp/no-such-hectare", "--control /tmp/no-such-hectare: must be the control socket of a running")]
    [InlineData("inspect peer 3 monster 4 --control /tmp/no-such-hectare", "monster 4: must be 'entity E' with E from 1 to 4294967295, or nothing")]
    [InlineData("inspect dissector --out /no/such/folder/x.lua", "--out /no/such/folder/x.lua: must be a file in a folder that exists")]
    [InlineData("inspect decrypt", "IN: needs a value: a capture (pcap or pcapng)")]
    [InlineData("serve --open --keys", "--keys: needs a value: a file in a folder that exists")]
    [InlineData("inspect", "name a command: schema, map, peer, dissector, decrypt; --help tells of each")]
    [InlineData("serve", "serve: say who may come in: --open (anyone on this machine, for development) or --cluster-keys FILE (who has a connect token); one of the two")]
    [InlineData("serve --open --cluster-keys /etc/hostname", "serve: say who may come in: --open")]
    [InlineData("serve --open --cluster-keys /no/such.keys", "--cluster-keys /no/such.keys: must be a file that exists")]
    [InlineData("serve --cluster-keys /etc/passwd", "--cluster-keys /etc/passwd: line 1: must be 'id:key', an id from 0 to 255 and 64 hexadecimal digits")]
    [InlineData("serve --open --endpoint 0.0.0.0:40000", "--endpoint 0.0.0.0:40000: must be 1 to 4 of address:port, separated by commas")]
    [InlineData("bots --token AQIA", "--token: this is no connect token: it must be one word of base64url")]
    [InlineData("bots --cluster-keys /etc/passwd", "--cluster-keys /etc/passwd: line 1: must be 'id:key'")]
    [InlineData("bots --cluster-keys /etc/passwd --token AQIA", "bots: --token or --cluster-keys, one of the two")]
    [InlineData("bots --behaviour hostile --token AQIA", "bots: --token and --cluster-keys are for honest bots; the others try a zone that runs with --open")]
    [InlineData("token new-key /no/such/folder/x.keys", "FILE /no/such/folder/x.keys: must be a file in a folder that exists")]
    [InlineData("token new-key /etc/passwd", "FILE /etc/passwd: there is such a file, and a key that is lost cannot be made again; --add puts a new key into it")]
    [InlineData("token new-key /etc/passwd --add", "FILE /etc/passwd: line 1: must be 'id:key'")]
    [InlineData("token new-key /tmp/no-such-hectare.keys --add", "FILE /tmp/no-such-hectare.keys: --add needs a key file that exists; without --add one is made")]
    [InlineData("token new-key /tmp/no-such-hectare.keys --id 256", "--id 256: must be a whole number from 0 to 255")]
    [InlineData("token mint --endpoint 127.0.0.1:40000", "--cluster-keys: needs a value: the key file (make one with 'hectare token new-key')")]
    [InlineData("token mint --cluster-keys /etc/passwd", "--endpoint: needs a value: 1 to 4 of address:port, separated by commas")]
    [InlineData("token mint --endpoint localhost:1", "--endpoint localhost:1: must be 1 to 4 of address:port, separated by commas")]
    [InlineData("token mint --endpoint 127.0.0.1:0", "--endpoint 127.0.0.1:0: must be 1 to 4 of address:port")]
    [InlineData("token mint --endpoint 127.0.0.1:1,127.0.0.1:2,127.0.0.1:3,127.0.0.1:4,127.0.0.1:5", "must be 1 to 4 of address:port")]
    [InlineData("token mint --seconds 0", "--seconds 0: must be a whole number from 1 to 86400")]
    [InlineData("token mint --client-id -1", "--client-id -1: must be a whole number from 0 to 18446744073709551615")]
    [InlineData("token show", "TOKEN: needs a value: a token's text, or - for standard input")]
    [InlineData("token show nonsense!", "TOKEN: this is no connect token: it must be one word of base64url")]
    [InlineData("token", "name a command: new-key, mint, show; --help tells of each")]
    [InlineData("dance", "dance: no such command; there are demo, serve, bots, load, replay, inspect, token")]
    [InlineData("", "name a command: demo, serve, bots, load, replay, inspect, token; --help tells of each")]
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

    [Fact]
    public async Task A_cipher_that_there_is_not_is_bad_input_too()
    {
        Environment.SetEnvironmentVariable("HECTARE_CIPHER", "magic");
        try
        {
            CliResult result = await CliProcess.RunAsync(30, "inspect", "schema");

            result.ExitCode.ShouldBe(2, result.ToString());
            result.Errors.Trim().ShouldBe("hectare: HECTARE_CIPHER=magic: must be framework, or not set");
        }
        finally
        {
            Environment.SetEnvironmentVariable("HECTARE_CIPHER", null);
        }
    }

    [Theory]
    [InlineData(0)]
    [InlineData(2)]
    public async Task A_port_in_use_is_an_error_that_says_how_to_choose_another(int threads)
    {
        using var other = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
        other.Bind(new IPEndPoint(IPAddress.Any, 0));
        int port = ((IPEndPoint)other.LocalEndPoint!).Port;

        CliResult result = await CliProcess.RunAsync(30, "serve", "--open", "--port", Text(port), "--threads", Text(threads), "--seconds", "5");

        result.ExitCode.ShouldBe(2, result.ToString());
        result.Errors.ShouldContain($"--port {port}: another program uses this UDP port; choose another with --port N (1 to 65535), or --port 0 for any free one");
    }

    [Theory]
    [InlineData("--help", "demo", "inspect")]
    [InlineData("demo --help", "hectare demo --players 2000 --workload towns", "--players")]
    [InlineData("serve --help", "hectare serve --open --record zone.rec", "--players-max")]
    [InlineData("bots --help", "hectare bots --players 500", "--decode-sample")]
    [InlineData("bots --help", "hectare bots --behaviour flood --rate 200000 --seconds 20", "acks of packets that were never sent")]
    [InlineData("load --help", "hectare load --players 500 --hostile 500 --seconds 60", "--hostile-cpus")]
    [InlineData("load --help", "--fixed-rate --server-cpus 0 --bot-cpus 1", "Exit code")]
    [InlineData("replay --help", "hectare replay zone.rec", "Exit code")]
    [InlineData("inspect schema --help", "hectare inspect schema", "--json")]
    [InlineData("inspect map --help", "hectare inspect map farm.htm --seed 7", "SHA-256")]
    [InlineData("token new-key --help", "hectare token new-key cluster.keys --add", "Rotation")]
    [InlineData("token mint --help", "hectare token mint --cluster-keys cluster.keys --endpoint 127.0.0.1:40000", "--client-id")]
    [InlineData("token show --help", "hectare token show TOKEN --cluster-keys cluster.keys", "Exit code")]
    [InlineData("inspect dissector --help", "tshark -X lua_script:hectare.lua", "--out")]
    [InlineData("inspect decrypt --help", "hectare inspect decrypt run.pcap run.keys opened.pcap", "Exit code")]
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
