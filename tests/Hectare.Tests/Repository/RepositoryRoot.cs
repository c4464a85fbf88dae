namespace Hectare.Tests.Repository;

/// <summary>The checkout the tests were built from. Found by walking up: source paths are rewritten in deterministic builds.</summary>
internal static class RepositoryRoot
{
    public static readonly string Path = Find();

    public static IEnumerable<string> SourceFiles(string folder)
        => Directory.EnumerateFiles(System.IO.Path.Combine(Path, folder), "*.cs", SearchOption.AllDirectories)
            .Where(file => !file.Contains($"{System.IO.Path.DirectorySeparatorChar}obj{System.IO.Path.DirectorySeparatorChar}", StringComparison.Ordinal));

    public static string Relative(string file) => System.IO.Path.GetRelativePath(Path, file).Replace('\\', '/');

    private static string Find()
    {
        string? folder = AppContext.BaseDirectory;
        while (folder is not null && !File.Exists(System.IO.Path.Combine(folder, "Hectare.slnx")))
            folder = System.IO.Path.GetDirectoryName(folder);
        return folder ?? throw new InvalidOperationException("Hectare.slnx is in no folder above the tests.");
    }
}
