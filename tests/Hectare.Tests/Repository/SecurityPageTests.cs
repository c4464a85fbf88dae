using System.Text.RegularExpressions;
using Hectare.Server;
using Hectare.Transport;

namespace Hectare.Tests.Repository;

/// <summary>docs/security.md claims nothing that is not there: every file, test and counter that it names exists.</summary>
public sealed partial class SecurityPageTests
{
    private static readonly string Page = File.ReadAllText(Path.Combine(RepositoryRoot.Path, "docs", "security.md"));

    [Fact]
    public void Every_file_it_names_exists()
    {
        string[] files = [.. FileName().Matches(Page).Select(match => match.Groups["path"].Value).Distinct(StringComparer.Ordinal)];
        Assert.NotEmpty(files);
        Assert.All(files, file => Assert.True(Path.Exists(Path.Combine(RepositoryRoot.Path, file)), $"there is no {file}"));
    }

    [Fact]
    public void Every_mechanism_has_a_test_that_exists()
    {
        string tests = string.Join('\n', RepositoryRoot.SourceFiles("tests").Select(File.ReadAllText));
        string[][] rows = MechanismRows();
        Assert.True(rows.Length > 20, "the table of mechanisms was not found");
        foreach (string[] row in rows)
        {
            string[] named = [.. CodeWord().Matches(row[3]).Select(match => match.Groups["word"].Value)];
            Assert.True(named.Length > 0, $"'{row[0]}' has no test");
            Assert.All(named, name => Assert.True(tests.Contains($" {name}(", StringComparison.Ordinal), $"there is no test {name}"));
        }
    }

    [Fact]
    public void Every_counter_it_names_is_counted()
    {
        string server = string.Join('\n', RepositoryRoot.SourceFiles("src/Server").Select(File.ReadAllText));
        HashSet<string> known =
        [
            .. CounterName().Matches(server).Select(match => match.Groups["name"].Value),
            .. Enum.GetNames<OpenResult>().Select(name => $"packet{name}"),
            .. Enum.GetNames<InputVerdict>().Select(name => $"input{name}"),
            .. Enum.GetNames<TokenResult>().Select(name => $"token{name}"),
            .. Enum.GetNames<OpenResult>(),
        ];
        string[] named = [.. MechanismRows().SelectMany(row => CodeWord().Matches(row[4])).Select(match => match.Groups["word"].Value)];
        Assert.True(named.Length > 20);
        Assert.Empty(named.Except(known, StringComparer.Ordinal));
    }

    private static string[][] MechanismRows()
    {
        string table = Page.Split("## Mechanisms")[1].Split("\n## ")[0];
        return [.. table.Split('\n').Where(line => line.StartsWith("| ", StringComparison.Ordinal)).Skip(1).Select(line => line.Trim('|', ' ').Length == 0 ? [] : line[1..^1].Split('|'))];
    }

    [GeneratedRegex("`(?<path>(?:src|samples|tests)/[A-Za-z0-9_./]+)`", RegexOptions.ExplicitCapture, 1_000)]
    private static partial Regex FileName();

    [GeneratedRegex("`(?<word>[A-Za-z0-9_]+)`", RegexOptions.ExplicitCapture, 1_000)]
    private static partial Regex CodeWord();

    [GeneratedRegex("Put\\(named, \"(?<name>[A-Za-z]+)\"", RegexOptions.ExplicitCapture, 1_000)]
    private static partial Regex CounterName();
}
