using System.Buffers.Binary;
using System.Globalization;
using System.Net;
using System.Threading.RateLimiting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.RateLimiting;

namespace Hectare.Login;

/// <summary>How often one address may try, and how many passwords are hashed at once.</summary>
internal static class LoginLimits
{
    private const int WaitingMax = 100;
    private static readonly LoginRefusal TooOften = new("too many logins: wait a little");

    /// <summary>Sets both limits: an address first, so that one that is over its share does not stand in the queue either.</summary>
    public static void Configure(RateLimiterOptions limiter, int loginsPerMinute)
    {
        limiter.GlobalLimiter = PartitionedRateLimiter.CreateChained(
            PartitionedRateLimiter.Create<HttpContext, (ulong, ulong)>(context => RateLimitPartition.GetFixedWindowLimiter(
                SubscriberOf(context.Connection.RemoteIpAddress ?? IPAddress.None),
                _ => new FixedWindowRateLimiterOptions { PermitLimit = loginsPerMinute, Window = TimeSpan.FromMinutes(1) })),

            // A hash takes a whole core for a fifth of a second: more at once would only make all of them late.
            PartitionedRateLimiter.Create<HttpContext, int>(_ => RateLimitPartition.GetConcurrencyLimiter(0,
                _ => new ConcurrencyLimiterOptions { PermitLimit = Environment.ProcessorCount, QueueLimit = WaitingMax })));
        limiter.OnRejected = RefuseAsync;
    }

    // An IPv4 address, or the 64 bits that a subscriber has of IPv6: the other 64 are his to choose.
    private static (ulong, ulong) SubscriberOf(IPAddress address)
    {
        Span<byte> bytes = stackalloc byte[16];
        address.MapToIPv6().TryWriteBytes(bytes, out _);
        ulong network = BinaryPrimitives.ReadUInt64BigEndian(bytes);
        return network == 0 ? (0, BinaryPrimitives.ReadUInt64BigEndian(bytes[8..])) : (network, 0);
    }

    private static async ValueTask RefuseAsync(OnRejectedContext rejected, CancellationToken cancel)
    {
        HttpResponse response = rejected.HttpContext.Response;
        response.StatusCode = StatusCodes.Status429TooManyRequests;
        if (rejected.Lease.TryGetMetadata(MetadataName.RetryAfter, out TimeSpan wait))
            response.Headers.RetryAfter = Math.Ceiling(wait.TotalSeconds).ToString(CultureInfo.InvariantCulture);
        await response.WriteAsJsonAsync(TooOften, LoginJson.Default.LoginRefusal, cancellationToken: cancel);
    }
}
