// By design: real sockets and processes on two cores. Two at once would measure each other.
[assembly: CollectionBehavior(DisableTestParallelization = true)]

// Signals, process folders and file modes: the systems that the zone is run on.
[assembly: System.Runtime.Versioning.UnsupportedOSPlatform("windows")]
