using System.Buffers.Binary;
using Hectare.Protocol;

namespace Hectare.Fuzz.Engine;

/// <summary>The inputs that are kept in the repository: <c>corpus/TARGET/seeds.pack</c>, made by <c>--make-corpus</c>, and beside it every input
/// that once broke something (<c>*.bin</c>), kept by hand.</summary>
/// <remarks>Pack: for each input its length u16 and its bytes.</remarks>
internal static class Corpus
{
    private const string PackName = "seeds.pack";
    private const ulong Seed = 1;
    private const int GeneratedMax = 24;
    private const int PackBytesMax = 8 * 1024;

    /// <summary>What was copied beside the program.</summary>
    public static string BuiltFolder => Path.Combine(AppContext.BaseDirectory, "corpus");

    /// <summary>All inputs of a target; none when it has no folder.</summary>
    public static List<byte[]> Load(string folder, FuzzTarget target)
    {
        var inputs = new List<byte[]>();
        string own = Path.Combine(folder, target.Name);
        string pack = Path.Combine(own, PackName);
        if (File.Exists(pack))
            inputs.AddRange(Unpack(File.ReadAllBytes(pack), pack));
        if (Directory.Exists(own))
            inputs.AddRange(Directory.EnumerateFiles(own, "*.bin").Order(StringComparer.Ordinal).Select(File.ReadAllBytes));
        return inputs.FindAll(input => input.Length <= target.InputBytesMax);
    }

    /// <summary>Writes the packs of these targets; what broke something stays.</summary>
    /// <returns>Bytes written.</returns>
    public static long Make(string folder, IEnumerable<FuzzTarget> targets)
    {
        long bytes = 0;
        foreach (FuzzTarget target in targets.Where(target => target.IsMutable))
        {
            target.Begin();
            byte[] pack = Pack(target);
            if (pack.Length == 0)
                continue;   // its inputs are too long to be kept
            Directory.CreateDirectory(Path.Combine(folder, target.Name));
            File.WriteAllBytes(Path.Combine(folder, target.Name, PackName), pack);
            bytes += pack.Length;
        }

        return bytes;
    }

    /// <summary>The checkout's folder, from wherever the program lies in it.</summary>
    /// <exception cref="FuzzException">It lies in no checkout.</exception>
    public static string SourceFolder()
    {
        for (DirectoryInfo? at = new(AppContext.BaseDirectory); at is not null; at = at.Parent)
        {
            if (File.Exists(Path.Combine(at.FullName, "Hectare.slnx")))
                return Path.Combine(at.FullName, "tests", "Hectare.Fuzz", "corpus");
        }

        throw new FuzzException("--make-corpus needs a checkout: no Hectare.slnx above this program; name a folder");
    }

    private static byte[] Pack(FuzzTarget target)
    {
        var pack = new MemoryStream();
        byte[] work = new byte[target.InputBytesMax];
        foreach (byte[] input in target.EdgeCases())
            Add(pack, input);
        for (ulong i = 0; i < GeneratedMax && pack.Length < PackBytesMax; i++)
        {
            var random = new SeededRandom(SeededRandom.MixSeed(Seed, i));
            int length = target.Generate(ref random, work);
            if (pack.Length + length <= PackBytesMax)
                Add(pack, work.AsSpan(0, length));
        }

        return pack.ToArray();
    }

    private static void Add(MemoryStream pack, ReadOnlySpan<byte> input)
    {
        Span<byte> length = stackalloc byte[2];
        BinaryPrimitives.WriteUInt16LittleEndian(length, (ushort)input.Length);
        pack.Write(length);
        pack.Write(input);
    }

    private static IEnumerable<byte[]> Unpack(byte[] pack, string path)
    {
        for (int at = 0; at < pack.Length;)
        {
            int length = at + 2 <= pack.Length ? BinaryPrimitives.ReadUInt16LittleEndian(pack.AsSpan(at)) : pack.Length;
            if (at + 2 + length > pack.Length)
                throw new FuzzException($"{path} is cut short: make it again with --make-corpus");
            yield return pack[(at + 2)..(at + 2 + length)];
            at += 2 + length;
        }
    }
}

/// <summary>A run that cannot be: one line for whoever started it.</summary>
internal sealed class FuzzException(string message) : Exception(message);
