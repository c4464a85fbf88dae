using Hectare.Tests.Repository;
using Hectare.Transport;

namespace Hectare.Tests.Transport;

/// <summary>The recorded links. They lie beside the repository, not in it: whoever has them runs the tests that want them.</summary>
internal static class Recordings
{
    /// <summary>The recording of a profile; skips the test when it is not there.</summary>
    public static LinkTracePair Of(string profile)
    {
        string name = LinkProfile.Get(profile).TraceName!;
        string folder = "";
        for (DirectoryInfo? above = Directory.GetParent(RepositoryRoot.Path); above is not null && folder.Length == 0; above = above.Parent)
        {
            string candidate = Path.Combine(above.FullName, "shared", "traces");
            if (Directory.Exists(candidate))
                folder = candidate;
        }

        Assert.SkipWhen(folder.Length == 0, $"the recording {name} is not at ../shared/traces beside the repository");
        using StreamReader down = File.OpenText(Path.Combine(folder, name + ".down"));
        using StreamReader up = File.OpenText(Path.Combine(folder, name + ".up"));
        return LinkTracePair.Parse(down, up);
    }
}
