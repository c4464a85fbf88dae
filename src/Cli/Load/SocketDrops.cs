using System.Globalization;

namespace Hectare.Cli.Load;

/// <summary>What the kernel dropped because a socket's receive buffer was full: no process hears of it by itself.</summary>
internal static class SocketDrops
{
    private const string Table = "/proc/net/udp";

    /// <summary>Datagrams dropped so far at the UDP sockets of this port; null where the system does not tell, or for port 0.</summary>
    public static long? Of(int port) => port > 0 && File.Exists(Table) ? Sum(File.ReadLines(Table), port) : null;

    /// <summary>The same from the lines of the kernel's table: local address and port in hexadecimal in the second column, drops in the last.</summary>
    public static long Sum(IEnumerable<string> lines, int port)
    {
        string suffix = string.Create(CultureInfo.InvariantCulture, $":{port:X4}");
        long drops = 0;
        foreach (string line in lines)
        {
            string[] columns = line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
            if (columns.Length > 2 && columns[1].EndsWith(suffix, StringComparison.Ordinal) && long.TryParse(columns[^1], NumberStyles.None, CultureInfo.InvariantCulture, out long dropped))
                drops += dropped;
        }

        return drops;
    }
}
