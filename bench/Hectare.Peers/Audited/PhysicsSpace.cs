using System.Numerics;
using Hectare.Protocol;

namespace Hectare.Peers.Audited;

/// <summary>A node of the scene tree: an entity is a branch of several.</summary>
internal class SceneNode(string name)
{
    private readonly List<SceneNode> _children = [];

    /// <summary>Its name among its siblings.</summary>
    public string Name { get; } = name;

    /// <summary>What it hangs on.</summary>
    public SceneNode? Parent { get; private set; }

    /// <summary>What hangs on it.</summary>
    public IReadOnlyList<SceneNode> Children => _children;

    /// <summary>Hangs a node on it.</summary>
    public void Add(SceneNode child)
    {
        child.Parent = this;
        _children.Add(child);
    }
}

/// <summary>A circle.</summary>
internal sealed record CircleShape(float Radius);

/// <summary>The shape that a body hits with.</summary>
internal sealed class CollisionShape(CircleShape shape) : SceneNode("CollisionShape")
{
    /// <summary>What it is.</summary>
    public CircleShape Shape { get; } = shape;
}

/// <summary>A body: moves by its velocity, is stopped by tiles and pushed by other bodies.</summary>
internal sealed class RigidBody : SceneNode
{
    /// <summary>A body at rest.</summary>
    public RigidBody(Vector2 position, float radius)
        : base("RigidBody")
    {
        Position = position;
        Collision = new CollisionShape(new CircleShape(radius));
        Add(Collision);
    }

    /// <summary>Centre, units.</summary>
    public Vector2 Position { get; set; }

    /// <summary>What it wants, units a second; a step leaves what it did.</summary>
    public Vector2 LinearVelocity { get; set; }

    /// <summary>Inverse of its mass.</summary>
    public float InverseMass { get; } = 1;

    /// <summary>Its shape.</summary>
    public CollisionShape Collision { get; }

    /// <summary>Radius of its shape.</summary>
    public float Radius => Collision.Shape.Radius;

    /// <summary>Left edge of its box.</summary>
    public float Left => Position.X - Radius;

    /// <summary>Right edge of its box.</summary>
    public float Right => Position.X + Radius;
}

/// <summary>Two bodies that touch.</summary>
internal readonly record struct Contact(RigidBody First, RigidBody Second, Vector2 Normal, float Depth);

/// <summary>The engine's part: integration, tiles, a broad phase, contacts, solving.</summary>
/// <remarks>
/// The audit says that Godot's broad phase is quadratic; engines do better, and so does this one: bodies stay sorted by their left edge from step to step
/// (insertion sort of an almost sorted list), and only overlapping spans are looked at.
/// </remarks>
internal sealed class PhysicsSpace(TileMap map)
{
    private readonly SceneNode _container = new("PhysicsContainer");
    private readonly List<RigidBody> _bodies = [];
    private readonly List<Contact> _contacts = [];

    /// <summary>Bodies there are.</summary>
    public int BodyCount => _bodies.Count;

    /// <summary>Contacts of the last step.</summary>
    public IReadOnlyList<Contact> Contacts => _contacts;

    /// <summary>Adds a body to the tree and to the space.</summary>
    public void Add(RigidBody body)
    {
        _container.Add(body);
        _bodies.Add(body);
    }

    /// <summary>Moves everything on.</summary>
    public void Step(float seconds)
    {
        Integrate(seconds);
        FindContacts();
        Solve();
    }

    private void Integrate(float seconds)
    {
        TileView tiles = map.View;
        foreach (RigidBody body in _bodies)
        {
            if (body.LinearVelocity == Vector2.Zero)
                continue;
            Vector2 from = body.Position;
            body.Position = PeerWorld.Walk(in tiles, from, body.LinearVelocity * seconds, body.Radius);
            // A wall takes the speed of its axis.
            body.LinearVelocity = new Vector2(body.Position.X == from.X ? 0 : body.LinearVelocity.X, body.Position.Y == from.Y ? 0 : body.LinearVelocity.Y);
        }
    }

    private void FindContacts()
    {
        _contacts.Clear();
        SortByLeftEdge();
        for (int i = 0; i < _bodies.Count; i++)
        {
            RigidBody body = _bodies[i];
            float right = body.Right;
            for (int j = i + 1; j < _bodies.Count && _bodies[j].Left <= right; j++)
                Touch(body, _bodies[j]);
        }
    }

    private void SortByLeftEdge()
    {
        for (int i = 1; i < _bodies.Count; i++)
        {
            RigidBody body = _bodies[i];
            float left = body.Left;
            int j = i - 1;
            for (; j >= 0 && _bodies[j].Left > left; j--)
                _bodies[j + 1] = _bodies[j];
            _bodies[j + 1] = body;
        }
    }

    private void Touch(RigidBody first, RigidBody second)
    {
        Vector2 between = second.Position - first.Position;
        float reach = first.Radius + second.Radius;
        float square = between.LengthSquared();
        if (square >= reach * reach)
            return;
        float distance = MathF.Sqrt(square);
        Vector2 normal = distance > 0 ? between / distance : Vector2.UnitX;
        _contacts.Add(new Contact(first, second, normal, reach - distance));
    }

    // Each gives way by its share; never into a tile.
    private void Solve()
    {
        TileView tiles = map.View;
        foreach (Contact contact in _contacts)
        {
            float share = contact.Depth / (contact.First.InverseMass + contact.Second.InverseMass);
            Push(in tiles, contact.First, -contact.Normal * (share * contact.First.InverseMass));
            Push(in tiles, contact.Second, contact.Normal * (share * contact.Second.InverseMass));
        }
    }

    private static void Push(in TileView tiles, RigidBody body, Vector2 by) => body.Position = PeerWorld.Walk(in tiles, body.Position, by, body.Radius);
}
