-- ---- what follows is the same for every game

local floor, byte, min, max = math.floor, string.byte, math.min, math.max
local TAG, CLIENT, SERVER = 16, "to server", "to client"
local UPDATE, ENTER, LEAVE, DESTROY, ABSOLUTE = 0, 1, 2, 3, 4
local RING, LOW_SLOTS, SLOTS, M32 = 16, 128, 1024, 4294967296

local P = { [0] = 1 }                       -- powers of two: integers in every Lua
for i = 1, 53 do P[i] = P[i - 1] * 2 end

local E = {
  malformed = ProtoExpert.new("hectare.malformed", "Malformed", expert.group.MALFORMED, expert.severity.ERROR),
  unknown = ProtoExpert.new("hectare.unknown", "Not to be read from this capture", expert.group.UNDECODED, expert.severity.NOTE),
  sealed = ProtoExpert.new("hectare.sealed", "Sealed: open the capture with 'hectare inspect decrypt'", expert.group.UNDECODED, expert.severity.CHAT),
  defect = ProtoExpert.new("hectare.defect", "A defect of this dissector", expert.group.PROTOCOL, expert.severity.ERROR),
}

-- What is not in a message itself, but follows from it.
local D = {
  number = ProtoField.uint32("hectare.number", "Number"),
  connection = ProtoField.uint64("hectare.connection", "Connection", base.HEX),
  direction = ProtoField.string("hectare.direction", "Direction"),
  tag = ProtoField.bytes("hectare.tag", "Tag"),
  body = ProtoField.bytes("hectare.sealed_body", "Sealed body"),
  acked = ProtoField.uint32("hectare.acked", "Newest acked, widened"),
  message = ProtoField.bytes("hectare.message", "Message"),
  tick = ProtoField.uint32("hectare.snapshot.full_tick", "Tick, widened"),
  due = ProtoField.double("hectare.snapshot.due_ms", "Due, ms since the zone's start"),
  baseline = ProtoField.uint32("hectare.snapshot.baseline", "Baseline"),
  own_x = ProtoField.double("hectare.snapshot.own_x_units", "Own x, units"),
  own_y = ProtoField.double("hectare.snapshot.own_y_units", "Own y, units"),
  cell = ProtoField.uint32("hectare.snapshot.cell.number", "Cell"),
  slot = ProtoField.uint32("hectare.operation.slot", "Slot"),
  operation = ProtoField.string("hectare.operation.state", "Then"),
  kind = ProtoField.string("hectare.operation.kind_name", "Kind"),
  x = ProtoField.double("hectare.motion.x", "x, units"),
  y = ProtoField.double("hectare.motion.y", "y, units"),
  vx = ProtoField.int32("hectare.motion.velocity_x", "Velocity x, 1/4096 unit a tick"),
  vy = ProtoField.int32("hectare.motion.velocity_y", "Velocity y, 1/4096 unit a tick"),
  t0 = ProtoField.uint32("hectare.motion.t0", "T0"),
  value = ProtoField.string("hectare.entity.value", "Value"),
  input = ProtoField.string("hectare.input.state", "Input"),
}

-- ---- reading bits. What cannot be read ends the message by an error that is caught where the message began.

local function malformed(text) error({ expert = "malformed", text = text }, 0) end
local function unknown(text) error({ expert = "unknown", text = text }, 0) end

local function reader(data, tvb) return { data = data, tvb = tvb, pos = 0, limit = #data * 8 } end

local function range(r, start)
  local first = floor(start / 8)
  if not r.tvb then return nil end
  return r.tvb:range(first, max(floor((r.pos + 7) / 8) - first, 0))
end

local function take(r, n)                   -- 0 to 53 bits, lowest first
  local pos, value, done = r.pos, 0, 0
  if pos + n > r.limit then malformed("the bits run out") end
  while done < n do
    local at = floor(pos / 8)
    local shift = pos - at * 8
    local count = min(8 - shift, n - done)
    value = value + floor(byte(r.data, at + 1) / P[shift]) % P[count] * P[done]
    done, pos = done + count, pos + count
  end
  r.pos = pos
  return value
end

local function signed(value, bits) return value >= P[bits - 1] and value - P[bits] or value end

local function widen(known, wire, bits) return known + signed((wire - known) % P[bits], bits) end

local function golomb(r, k)
  local ones = 0
  while take(r, 1) == 1 do
    ones = ones + 1
    if ones > 32 then malformed("a Golomb code that no writer makes") end
  end
  if ones + k > 32 then malformed("a Golomb code that no writer makes") end
  local value = P[ones + k] + take(r, ones + k) - P[k]
  if value >= M32 then malformed("a Golomb code that no writer makes") end
  return value
end

local function take_bytes(r, n)
  if r.pos + n * 8 > r.limit then malformed("the bytes run out") end
  if r.pos % 8 == 0 then
    local at = r.pos / 8
    r.pos = r.pos + n * 8
    return r.data:sub(at + 1, at + n)
  end
  local bytes = {}
  for i = 1, n do bytes[i] = string.char(take(r, 8)) end
  return table.concat(bytes)
end

-- ---- walking the tables

local rules, parts = {}, {}

local function run(list, r, scope, tree)
  for i = 1, #list do
    local part = list[i]
    parts[part[1]](part, r, scope, tree)
  end
end

local function inner(scope) return setmetatable({}, { __index = scope }) end

local function size(s, scope)
  local n = type(s) == "number" and s or scope[s]
  if type(n) ~= "number" then malformed("no " .. tostring(s)) end
  return n
end

local function show(tree, field, r, start, value)
  if tree and field then return tree:add(field, range(r, start), value) end
end

local function derive(tree, field, value) if tree then tree:add(field, value):set_generated() end end

parts.bits = function(part, r, scope, tree)
  local start, bits, look, value = r.pos, size(part[3], scope), part[4]
  if bits == 64 then
    local low, high = take(r, 32), take(r, 32)
    value = look == "signed" and Int64.new(low, high) or UInt64.new(low, high)
  else
    value = take(r, bits)
    if look == "signed" and bits > 0 then value = signed(value, bits) end
    if look == "float" then value = Struct.unpack("<f", Struct.pack("<I4", value)) end
  end
  scope[part[2]] = value
  show(tree, F[part[5]], r, start, look == "flag" and value == 1 or look ~= "flag" and value)
end

parts.golomb = function(part, r, scope, tree)
  local start, value = r.pos, golomb(r, size(part[3], scope))
  scope[part[2]] = value
  show(tree, F[part[4]], r, start, value)
end

parts.signed = function(part, r, scope, tree)
  local start, value = r.pos, golomb(r, size(part[3], scope))
  value = value % 2 == 1 and -floor((value + 1) / 2) or floor(value / 2)
  scope[part[2]] = value
  show(tree, F[part[4]], r, start, value)
end

parts.ones = function(part, r, scope, tree)
  local start, value = r.pos, 0
  while value < part[3] and take(r, 1) == 1 do value = value + 1 end
  scope[part[2]] = value
  show(tree, F[part[4]], r, start, value)
end

local function blob(part, r, scope, tree, count)
  local start = r.pos
  local value = take_bytes(r, count)
  scope[part[2]] = value
  if not tree then return end
  if part[1] == "text" then tree:add(F[part[4]], range(r, start), value) else tree:add(F[part[4]], range(r, start)) end
end

parts.bytes = function(part, r, scope, tree) blob(part, r, scope, tree, size(part[3], scope)) end
parts.text = parts.bytes
parts.rest = function(part, r, scope, tree) blob(part, r, scope, tree, max(floor((r.limit - r.pos) / 8) - part[3], 0)) end

parts.check = function(part, r, scope)
  local value = size(part[2], scope)
  if value < part[3] or value > part[4] then malformed(part[2] .. " is " .. value .. ": must be " .. part[3] .. " to " .. part[4]) end
end

parts.when = function(part, r, scope, tree)
  local value = size(part[2], scope)
  if value >= part[3] and value <= part[4] then run(part[5], r, scope, tree) end
end

parts.use = function(part, r, scope, tree) run(part[2], r, scope, tree) end

parts.rule = function(part, r, scope, tree) rules[part[2]](r, scope, tree) end

parts["repeat"] = function(part, r, scope, tree)
  local name, list = part[2], {}
  local count = size(part[3], scope) + part[4]
  for i = 1, count do
    local start, child, item = r.pos, inner(scope), tree
    child[name .. " index"] = i - 1
    if tree and not (#part[5] == 1 and part[5][1][1] == "bits") then
      item = tree:add(hectare, r.tvb:range(min(floor(start / 8), r.tvb:len()), 0), name:sub(1, 1):upper() .. name:sub(2) .. " " .. (i - 1))
    end
    child.item = item
    list[i] = child
    run(part[5], r, child, item)
    if item and item ~= tree then item:set_len(max(floor((r.pos + 7) / 8) - floor(start / 8), 0)) end
  end
  scope[name] = list
end

-- ---- the schema

local TYPES = { [0] = "int", "float", "angle", "flags", "enum", "counter", "position", "velocity", "text" }
local known_fields = {}                     -- "kind.field.type" to its ProtoField

local function build_schema(scope)
  local schema = { extent = scope.extent, bits = scope["position bits"], kinds = {}, kind_bits = 1 }
  if schema.bits < 8 or schema.bits > 18 or schema.extent < 64 then malformed("a schema that nobody builds") end
  schema.quantum = floor(schema.extent * 4096 / P[schema.bits])
  while P[schema.kind_bits] < #scope.kind do schema.kind_bits = schema.kind_bits + 1 end
  for i, k in ipairs(scope.kind) do
    local kind = { index = i - 1, name = k.name, motion = k.motion, speeds = {}, groups = {} }
    for j, s in ipairs(k["speed classes"]) do kind.speeds[j] = s.speed end
    for j, g in ipairs(k.group) do
      local group = { name = g.name, audience = g.audience, fields = {} }
      for n, f in ipairs(g.field) do
        local type = TYPES[f.type] or malformed("a field of type " .. f.type)
        group.fields[n] = { name = f.name, type = type, bits = f.bits, min = f.min, max = f.max, key = k.name .. "." .. f.name .. "." .. type }
      end
      kind.groups[j] = group
    end
    schema.kinds[i - 1] = kind
  end
  return schema
end

local function read_schema(data, tvb, tree)
  local scope = {}
  run(M.schema, reader(data, tvb), scope, tree)
  return build_schema(scope)
end

local MAKERS = {
  int = ProtoField.uint32, enum = ProtoField.uint32, counter = ProtoField.uint32, float = ProtoField.double, angle = ProtoField.double, text = ProtoField.string,
  flags = function(abbreviation, name) return ProtoField.uint32(abbreviation, name, base.HEX) end,
}

-- A field of its own for each field of the schema that this file was written for: so that one can filter by it.
local function declare_fields(schema)
  local taken = {}
  local function make(maker, kind, f, suffix)
    local abbreviation = ("hectare.entity." .. kind.name .. "." .. f.name .. suffix):lower():gsub("[^a-z0-9_.]", "_")
    while taken[abbreviation] do abbreviation = abbreviation .. "_" end
    taken[abbreviation] = true
    local field = maker(abbreviation, f.name .. suffix)
    F[abbreviation] = field
    return field
  end
  for i = 0, #schema.kinds do
    local kind = schema.kinds[i]
    for _, group in ipairs(kind and kind.groups or {}) do
      for _, f in ipairs(group.fields) do
        if f.type == "position" then
          known_fields[f.key] = { make(ProtoField.double, kind, f, ".x"), make(ProtoField.double, kind, f, ".y") }
        elseif f.type == "velocity" then
          known_fields[f.key] = { make(ProtoField.int32, kind, f, ".x"), make(ProtoField.int32, kind, f, ".y") }
        else
          known_fields[f.key] = { make(MAKERS[f.type], kind, f, "") }
        end
      end
    end
  end
end

-- ---- connections. Frames are dissected in order once, and then in any order: what a frame needs of those before it is kept by its number.

local connections, endpoints, by_address, offered, memos

local function reset()
  connections, endpoints, by_address, offered, memos = {}, {}, {}, {}, {}
end

-- Until the welcome, a client that offered this file's schema is taken to have the zone's; one that offered another needs the welcome.
local function new_connection(id, low, address)
  return {
    id = id, low = low, first = nil, applied = nil, heard = false,
    newest = { [CLIENT] = -1, [SERVER] = -1 }, seen = { [CLIENT] = false, [SERVER] = false },
    accepted = {}, pending = {}, stays = {}, kept = {}, lanes = { [CLIENT] = {}, [SERVER] = {} },
    tick = nil, due = nil, schema = SCHEMA, schema_missing = offered[address] and offered[address] ~= tostring(SCHEMA_HASH), cell = 16,
  }
end

local function by_low_byte(client, server, low)
  local address = client .. ">" .. server
  local list = by_address[address] or {}
  by_address[address] = list
  for _, connection in ipairs(list) do
    if connection.low == low then return connection end
  end
  local connection = new_connection(nil, low, address)
  table.insert(list, 1, connection)
  return connection
end

-- The connection of an id. A server's packets name one byte of it: what came of it before its whole id was seen is of it too.
local function by_id(client, server, id)
  local key, low = tostring(id), id:lower() % 256
  local here = by_low_byte(client, server, low)
  connections[key] = connections[key] or (here.id and new_connection(id, low, client .. ">" .. server) or here)
  local connection = connections[key]
  connection.id = id
  local list = by_address[client .. ">" .. server]
  if not here.id or here == connection then
    for i, one in ipairs(list) do
      if one == here then list[i] = connection end
    end
  else
    table.insert(list, 1, connection)
  end
  endpoints[server] = true
  return connection
end

-- A stay is an entity in a slot, from its Enter to its Leave, with its versions of the last packets.
local function now(connection, slot)
  local stay = connection.stays[slot]
  if stay and not stay.left then return stay end
end

local function at(stay, b)
  for i = #stay.versions, 1, -1 do
    if stay.versions[i].sequence <= b then return stay.versions[i].version end
  end
end

local function add_version(stay, sequence, version)
  table.insert(stay.versions, { sequence = sequence, version = version })
  if #stay.versions > RING then table.remove(stay.versions, 1) end
end

local UNKNOWN = { unknown = true }

-- From a slot on, a packet that the client accepted could not be read.
local function lose(connection, sequence, slot)
  for s, stay in pairs(connection.stays) do
    if s >= slot then add_version(stay, sequence, UNKNOWN) end
  end
  connection.kept = {}
end

local function apply(connection, sequence, op, tick)
  local stay = now(connection, op.slot)
  if op.code == ENTER and (not stay or stay.entity ~= op.entity or stay.moved) then
    for _, other in pairs(connection.stays) do
      if other.entity == op.entity then other.moved = true end
    end
    stay = { entity = op.entity, versions = {}, moved = false }
    connection.stays[op.slot] = stay
  end
  if op.version and stay then
    add_version(stay, sequence, op.version)
  elseif stay then
    stay.left = sequence
    local last = stay.versions[#stay.versions]
    if op.code == LEAVE and not stay.moved and last then connection.kept[stay.entity] = last.version end
  end
end

-- Of a packet nobody has said yet whether it was accepted: the ack that the server had is not in this capture.
local function doubt(connection, sequence, op)
  if not now(connection, op.slot) then connection.stays[op.slot] = { versions = {}, moved = false } end
  add_version(connection.stays[op.slot], sequence, UNKNOWN)
  connection.kept = {}
end

-- Applies what the client had accepted up to B: what it acked, in order.
local function advance(connection, b)
  if not connection.applied then connection.applied = (connection.first or b) - 1 end
  for sequence = connection.applied + 1, b do
    local packet = connection.pending[sequence]
    local accepted = connection.accepted[sequence] or sequence == b or (packet and not connection.heard)
    if accepted or sequence > (connection.acked or -1) then
      for _, op in ipairs(packet and packet.ops or {}) do (accepted and apply or doubt)(connection, sequence, op) end
      if not packet or packet.stop then lose(connection, sequence, packet and packet.stop or 0) end
    end
    connection.pending[sequence], connection.accepted[sequence] = nil, nil
  end
  connection.applied = max(connection.applied, b)
end

local function take_acks(connection, newest, bits)
  connection.heard, connection.acked = true, max(connection.acked or -1, newest)
  if newest > (connection.applied or -1) then connection.accepted[newest] = true end
  for i = 0, 31 do
    local sequence = newest - 1 - i
    if floor(bits / P[i]) % 2 == 1 and sequence > (connection.applied or -1) then connection.accepted[sequence] = true end
  end
end

-- Fragments of a lane in order; gives each message that became whole.
local function take_fragment(lane, segment, whole)
  if not lane.next then
    if segment.first == 0 then return end   -- its beginning is not in this capture
    lane.next, lane.early, lane.message = segment.fragment, {}, {}
  end
  local number = widen(lane.next, segment.fragment, 16)
  if number < lane.next or number > lane.next + 256 then return end
  lane.early[number] = segment
  while lane.early[lane.next] do
    local piece = lane.early[lane.next]
    lane.early[lane.next] = nil
    lane.next = lane.next + 1
    if piece.first == 1 then lane.message, lane.packed = {}, piece.packed == 1 end
    table.insert(lane.message, piece.data)
    if piece.last == 1 or #lane.message > 1200 then
      whole(table.concat(lane.message), lane.packed)
      lane.message = {}
    end
  end
end

-- ---- what the tables leave to code

local function units(quarters) return quarters / 4096 end

local function centre(schema, quantum) return quantum * schema.quantum + floor(schema.quantum / 2) end

local function describe(schema, v)
  local words = { v.kind.name }
  if v.kind.motion == 1 then
    table.insert(words, string.format("at (%.10g, %.10g)", units(centre(schema, v.x)), units(centre(schema, v.y))))
    table.insert(words, v.rest and "at rest" or string.format("velocity (%d, %d)%s since tick %d", v.vx, v.vy, v.sampled and " sampled" or "", v.t0))
  end
  for _, index in ipairs(v.visible) do
    for _, f in ipairs(v.kind.groups[index].fields) do
      if v.fields[f.name] then table.insert(words, f.name .. "=" .. v.fields[f.name]) end
    end
  end
  return table.concat(words, " ")
end

function rules.SnapshotTime(r, scope, tree)
  local ctx = scope.ctx
  ctx.tick = widen(ctx.near_tick or scope.tick, scope.tick, 16) % M32
  ctx.due = widen(ctx.near_due or scope["due time"], scope["due time"], 24)
  derive(tree, D.tick, ctx.tick)
  derive(tree, D.due, ctx.due / 10)
  scope["kind bits"], scope["position bits"] = ctx.schema.kind_bits, ctx.schema.bits
end

function rules.SnapshotHeader(r, scope, tree)
  local ctx = scope.ctx
  if scope["has own"] == 1 then
    derive(tree, D.own_x, units(scope["own x"]))
    derive(tree, D.own_y, units(scope["own y"]))
  end
  if scope["has baseline"] == 1 then
    ctx.b = ctx.memo.number - 1 - scope["baseline age"]
    derive(tree, D.baseline, ctx.b % M32)
    if ctx.first and not ctx.memo.late then advance(ctx.connection, ctx.b) end
  end
  if ctx.memo.schema_missing then unknown("schema unknown: it is not in this capture, and this file was written for another game") end
end

function rules.Cell(r, scope, tree)
  local ctx = scope.ctx
  local side = floor(ctx.schema.extent / ctx.cell)
  ctx.cell_number = (ctx.cell_number or -1) + 1 + scope["cell gap"]
  if ctx.cell_number >= side * side then malformed("cell " .. ctx.cell_number .. " of " .. side * side) end
  derive(tree, D.cell, ctx.cell_number)
  if scope.item then scope.item:set_text(string.format("Cell %d (%d, %d): %d movers", ctx.cell_number, ctx.cell_number % side, floor(ctx.cell_number / side), scope.movers)) end
end

function rules.Slot(r, scope, tree)
  local ctx, list = scope.ctx, scope["list index"]
  if scope["operation index"] == 0 then ctx.slot = list == 0 and -1 or LOW_SLOTS - 1 end
  ctx.slot = ctx.slot + 1 + scope["slot gap"]
  ctx.op, ctx.version, ctx.text = scope, nil, nil
  ctx.number = (ctx.number or 0) + 1
  if ctx.slot >= (list == 0 and LOW_SLOTS or SLOTS) then malformed("slot " .. ctx.slot .. " in list " .. list) end
  derive(tree, D.slot, ctx.slot)
end

local MISSING = "kind unknown: a packet that changed it is not in this capture"

local function find_base(ctx, scope)
  local stay = now(ctx.connection, ctx.slot)
  if scope.code == ENTER then
    local kept = ctx.connection.kept[scope.entity]
    if not kept then return { text = "kind unknown: left before this capture" } end
    if kept.unknown then return { text = MISSING } end
    return { version = kept, entity = scope.entity }
  end
  if not stay then return { text = "kind unknown: entered before this capture" } end
  local version = stay.moved and UNKNOWN or at(stay, ctx.b or -1)
  if scope.code == ABSOLUTE then version = stay.versions[#stay.versions].version end
  if not version then return { text = "baseline unknown: no longer kept" } end
  if version.unknown then return { text = MISSING } end
  return { version = version, entity = stay.entity }
end

-- What the first dissection of a frame found is the same in every later one.
local function base_of(ctx, scope)
  local found = ctx.memo.bases[ctx.number]
  if not found then
    found = find_base(ctx, scope)
    ctx.memo.bases[ctx.number] = found
  end
  if found.text then unknown(found.text) end
  ctx.entity = found.entity
  return found.version
end

local function begin(ctx, kind, tree)
  ctx.op["has motion"] = kind.motion
  derive(tree, D.kind, kind.name)
end

function rules.Baseline(r, scope, tree)
  local ctx = scope.ctx
  if scope.code == UPDATE and not ctx.b then malformed("an update without a baseline") end
  local base, copy = base_of(ctx, scope), {}
  for key, value in pairs(base) do copy[key] = value end
  copy.fields = {}
  for name, value in pairs(base.fields) do copy.fields[name] = value end
  ctx.version = copy
  begin(ctx, copy.kind, tree)
  scope["at rest"], scope["visible groups"] = copy.rest and 1 or 0, #copy.visible
end

function rules.Kind(r, scope, tree)
  local ctx = scope.ctx
  local kind = ctx.schema.kinds[scope.kind] or malformed("there is no kind " .. scope.kind)
  ctx.entity = scope.entity
  ctx.version = { kind = kind, visible = {}, fields = {}, rest = true, x = 0, y = 0, vx = 0, vy = 0, t0 = 0 }
  begin(ctx, kind, tree)
end

function rules.KindOfSlot(r, scope, tree)
  local ctx = scope.ctx
  local kind = base_of(ctx, scope).kind
  ctx.version = { kind = kind, visible = {}, fields = {}, rest = true, x = 0, y = 0, vx = 0, vy = 0, t0 = 0 }
  begin(ctx, kind, tree)
end

function rules.Audience(r, scope)
  local version = scope.ctx.version
  for i, group in ipairs(version.kind.groups) do
    if group.audience == 0 or scope.owner == 1 or (scope.party == 1 and group.audience == 2) then table.insert(version.visible, i) end
  end
  scope["visible groups"] = #version.visible
end

local function intent_velocity(kind, direction, magnitude, class)
  if magnitude == 0 then return 0, 0 end
  local speed = kind.speeds[class + 1] or malformed("speed class " .. class)
  local pace = speed * magnitude
  return floor(COSINE[direction + 1] * pace / (16384 * 15)), floor(SINE[direction + 1] * pace / (16384 * 15))
end

function rules.Velocity(r, scope)
  local ctx, form = scope.ctx, scope["velocity form"]
  local v = { vx = 0, vy = 0, rest = false, sampled = form == 4 }
  if form == 0 and scope.rest == 1 then
    v.rest = true
  elseif form == 0 then
    v.vx, v.vy = intent_velocity(ctx.version.kind, scope.eighth * 32, 15, 0)
  elseif form == 1 then
    v.vx, v.vy = intent_velocity(ctx.version.kind, scope.direction, 15, 0)
  elseif form == 2 then
    v.vx, v.vy = intent_velocity(ctx.version.kind, scope.direction, scope.magnitude, scope["speed class"])
    v.rest = scope.magnitude == 0
  else
    v.vx, v.vy = scope["velocity x"], scope["velocity y"]
    v.rest = form == 3 and v.vx == 0 and v.vy == 0
  end
  ctx.velocity = v
  scope["at rest"] = v.rest and 1 or 0
end

local function low_tick(ctx, low) return (ctx.tick - (ctx.tick - low) % 1024) % M32 end

local function set_motion(ctx, tree, x, y, t0)
  local v, version, schema = ctx.velocity, ctx.version, ctx.schema
  version.x, version.y, version.t0 = x, y, t0
  version.vx, version.vy, version.rest, version.sampled = v.vx, v.vy, v.rest, v.sampled
  ctx.op["at rest"] = v.rest and 1 or 0
  derive(tree, D.x, units(centre(schema, x)))
  derive(tree, D.y, units(centre(schema, y)))
  derive(tree, D.vx, v.vx)
  derive(tree, D.vy, v.vy)
  if not v.rest then derive(tree, D.t0, t0) end
end

function rules.Motion(r, scope, tree)
  local ctx = scope.ctx
  set_motion(ctx, tree, scope["quantum x"], scope["quantum y"], ctx.velocity.rest and ctx.tick or low_tick(ctx, scope["t0 low"]))
end

function rules.Step(r, scope, tree)
  local ctx = scope.ctx
  local version, schema = ctx.version, ctx.schema
  local x, y, t0, top = version.x, version.y, nil, P[schema.bits] - 1
  if version.rest then
    t0 = low_tick(ctx, scope["t0 low"])
  else
    local gap = scope["t0 gap"]
    t0 = (version.t0 + gap) % M32
    if signed((ctx.tick - t0) % M32, 32) < 0 then malformed("a T0 after the packet's tick") end
    x = min(max(floor((centre(schema, x) + version.vx * gap) / schema.quantum), 0), top)
    y = min(max(floor((centre(schema, y) + version.vy * gap) / schema.quantum), 0), top)
  end
  x, y = x + scope["residual x"], y + scope["residual y"]
  if x < 0 or y < 0 or x > top or y > top then malformed("a position off the grid") end
  set_motion(ctx, tree, x, y, t0)
end

-- The value for people, for the record of what is known, and for the tree (one or two).
local function read_value(r, f, schema)
  if f.type == "text" then
    local text = take_bytes(r, take(r, 8))
    return text, text
  elseif f.type == "position" then
    local x = units(centre(schema, take(r, schema.bits)))
    local y = units(centre(schema, take(r, schema.bits)))
    return string.format("(%.10g, %.10g)", x, y), x, y
  elseif f.type == "velocity" then
    local x, y = signed(take(r, 12), 12), signed(take(r, 12), 12)
    return string.format("(%d, %d)", x, y), x, y
  end
  local bits = take(r, f.bits)
  if f.type == "float" then
    local value = f.min + bits * (f.max - f.min) / (P[f.bits] - 1)
    return string.format("%.6g", value), value
  elseif f.type == "angle" then
    local value = bits * 2 * math.pi / P[f.bits]
    return string.format("%.6g", value), value
  end
  return string.format("%d", bits), bits
end

local function read_group(ctx, r, index, tree)
  for _, f in ipairs(ctx.version.kind.groups[index].fields) do
    local start = r.pos
    local text, a, b = read_value(r, f, ctx.schema)
    ctx.version.fields[f.name] = text
    local fields = known_fields[f.key]
    if tree and fields then
      tree:add(fields[1], range(r, start), a)
      if fields[2] then tree:add(fields[2], range(r, start), b) end
    elseif tree then
      tree:add(D.value, range(r, start), f.name .. "=" .. text)
    end
  end
end

function rules.VisibleGroups(r, scope, tree)
  for _, index in ipairs(scope.ctx.version.visible) do read_group(scope.ctx, r, index, tree) end
end

function rules.ChangedGroups(r, scope, tree)
  local visible = scope.ctx.version.visible
  for i, index in ipairs(visible) do
    local alone = #visible == 1 or scope["first group alone"] == 1
    if (alone and i == 1) or (not alone and scope.mask[i].changed == 1) then read_group(scope.ctx, r, index, tree) end
  end
end

local CODES = { [0] = "update", "enter", "leave", "destroy", "absolute" }

function rules.Operation(r, scope, tree)
  local ctx = scope.ctx
  local text = CODES[scope.code]
  if ctx.version then
    text = text .. (scope.kept == 1 and " again" or "") .. " " .. ctx.entity .. " " .. describe(ctx.schema, ctx.version)
  end
  table.insert(ctx.ops, { slot = ctx.slot, code = scope.code, entity = ctx.entity, version = ctx.version })
  ctx.counts[scope.code] = (ctx.counts[scope.code] or 0) + 1
  derive(tree, D.operation, text)
  if scope.item then scope.item:set_text("Slot " .. ctx.slot .. ": " .. text) end
  ctx.entity = nil
end

function rules.Input(r, scope, tree)
  local ctx = scope.ctx
  local before = ctx.input or { intent = "rest", buttons = 0 }
  local input = { intent = before.intent, buttons = scope["new buttons"] == 1 and scope.buttons or before.buttons }
  if scope["new intent"] == 1 then
    local form = scope["intent form"]
    input.intent = form == 1 and "rest" or string.format("direction %d magnitude %d class %d", form == 0 and scope.eighth * 32 or scope.direction, form == 0 and 15 or scope.magnitude, form == 0 and 0 or scope["speed class"])
  end
  ctx.input = input
  local tick = (scope["newest tick"] - scope.inputs + scope["input index"]) % 65536
  local text = string.format("tick %d: %s, buttons %04x", tick, input.intent, input.buttons)
  derive(tree, D.input, text)
  if scope.item then scope.item:set_text("Input of " .. text) end
end

-- ---- packets

-- Runs a message; says what was wrong. True when all of it was read.
local function guarded(list, r, scope, tree)
  local good, problem = pcall(run, list, r, scope, tree)
  if good then return true end
  if type(problem) ~= "table" then problem = { expert = "defect", text = tostring(problem) } end
  tree:add_proto_expert_info(E[problem.expert], problem.text)
  return false, problem.expert
end

local function ended(r, tree)               -- less than a byte, all zeros, may be left
  local left = r.limit - r.pos
  if left >= 8 or (left > 0 and take(r, left) ~= 0) then tree:add_proto_expert_info(E.malformed, "something stands behind the end") end
end

local function branch(tree, r, bytes, text)
  local first = floor(r.pos / 8)
  return tree:add(hectare, r.tvb:range(first, bytes or max(floor(r.limit / 8) - first, 0)), text)
end

local CONTROL = { "welcome", "ready", "joined", "resume" }

local function learn_welcome(connection, scope)
  connection.tick, connection.due = scope.tick, scope["due time"]:tonumber()
  connection.cell = max(scope.cell, 1)
  if scope["schema bytes"] > 0 then
    local good, schema = pcall(read_schema, scope.schema)
    connection.schema = good and schema or connection.schema
    connection.schema_missing = not good
  else
    connection.schema_missing = tostring(scope["schema hash"]) ~= tostring(SCHEMA_HASH)
  end
end

local function control_name(message) return message.lane == 0 and #message.data > 0 and CONTROL[byte(message.data, 1)] or nil end

local function dissect_message(memo, message, tree, first)
  local data = message.data
  local tvb = ByteArray.new(data, true):tvb("Hectare message")
  local name = control_name(message)
  local item = tree:add(D.message, tvb:range(0, #data))
  item:set_text("Message of lane " .. message.lane .. ": " .. (name or #data .. " bytes") .. (message.packed and ", packed" or ""))
  if message.lane == 0 and not (name and M[name]) then
    item:add_proto_expert_info(E.malformed, "no control message")
  elseif name then
    local r, scope = reader(data, tvb), {}
    if not guarded(M[name], r, scope, item) then return end
    ended(r, item)
    if name == "welcome" and scope["schema bytes"] > 0 then
      local s = reader(scope.schema, tvb:range(#data - #scope.schema, #scope.schema):tvb())
      guarded(M.schema, s, {}, branch(item, s, nil, "Schema"))
    end
    if name == "welcome" and first then learn_welcome(memo.connection, scope) end
  end
end

local function take_lanes(memo, segments)
  for _, segment in ipairs(segments) do
    local lanes = memo.connection.lanes[memo.direction]
    lanes[segment.lane] = lanes[segment.lane] or {}
    take_fragment(lanes[segment.lane], segment, function(data, packed) table.insert(memo.messages, { lane = segment.lane, data = data, packed = packed }) end)
  end
end

local NAMES = { [0] = { "update", "updates" }, { "enter", "enters" }, { "leave", "leaves" }, { "destroy", "destroys" }, { "absolute", "absolutes" } }

local function summary(memo, ctx, scope)
  local words = { "snapshot " .. memo.number .. " tick " .. (ctx.tick or "?") }
  if ctx.b then table.insert(words, "on " .. ctx.b) end
  for code = 0, 4 do
    if ctx.counts[code] then table.insert(words, ctx.counts[code] .. " " .. NAMES[code][ctx.counts[code] == 1 and 1 or 2]) end
  end
  return table.concat(words, ", ")
end

local function dissect_snapshot(memo, r, tree, first)
  local connection, item = memo.connection, branch(tree, r, nil, "Snapshot")
  if first then
    memo.schema, memo.near_tick, memo.near_due, memo.cell = connection.schema, connection.tick, connection.due, connection.cell
    memo.schema_missing, memo.bases = connection.schema_missing, {}
  end
  local ctx = { connection = connection, memo = memo, first = first, schema = memo.schema, near_tick = memo.near_tick, near_due = memo.near_due, cell = memo.cell, ops = {}, counts = {} }
  local scope, late = { ctx = ctx }, memo.late
  local good, problem = guarded(M.snapshot, r, scope, item)
  if good then
    ended(r, item)
  elseif problem == "unknown" and ctx.op and ctx.op.item then
    ctx.op.item:set_text("Slot " .. ctx.slot .. ": " .. memo.bases[ctx.number].text)
  end
  if first and not late then
    connection.tick, connection.due = ctx.tick or connection.tick, ctx.due or connection.due
    connection.pending[memo.number] = { ops = ctx.ops, stop = not good and (ctx.op and problem == "unknown" and ctx.slot or 0) or nil }
  end
  item:set_text("Snapshot")
  return summary(memo, ctx, scope)
end

local function dissect_payload(memo, r, tree, first)
  local scope, body = {}, branch(tree, r, nil, "Payload")
  if not guarded(M.payload, r, scope, body) then return "malformed payload" end
  body:set_len(max(floor(r.pos / 8) - floor(memo.header / 8), 0))
  local info, connection = "payload " .. memo.number, memo.connection
  if scope["has acks"] == 1 then
    local other = memo.direction == CLIENT and SERVER or CLIENT
    if first then
      memo.acked = connection.seen[other] and widen(connection.newest[other], scope["newest acked"], 16) or scope["newest acked"]
      if memo.direction == CLIENT then take_acks(connection, memo.acked, scope["all acks"] == 1 and M32 - 1 or scope["acked before"]) end
    end
    derive(body, D.acked, memo.acked % M32)
  end
  if first and scope.segment then take_lanes(memo, scope.segment) end
  for _, message in ipairs(memo.messages) do dissect_message(memo, message, body, first) end
  if scope["has tail"] == 1 and memo.direction == SERVER then
    info = dissect_snapshot(memo, r, tree, first)
  elseif scope["has tail"] == 1 then
    local item, input = branch(tree, r, nil, "Input"), { ctx = {} }
    if guarded(M.input, r, input, item) then ended(r, item) end
    info = "input " .. memo.number .. (input.inputs and ": " .. input.inputs + 1 .. " ticks up to " .. input["newest tick"] or "") .. (input["asks resync"] == 1 and ", asks for a resync" or "")
  else
    ended(r, tree)
  end
  for _, message in ipairs(memo.messages) do
    info = info .. ", " .. (control_name(message) or "a message of lane " .. message.lane)
  end
  if first and memo.direction == SERVER and not memo.late and not connection.pending[memo.number] then connection.pending[memo.number] = { ops = {} } end
  return info
end

-- The connection of a numbered packet, by what has been seen up to here.
local function find_connection(data, source, target, to_server)
  if not to_server then return by_low_byte(target, source, byte(data, 2)) end
  local r = reader(data:sub(2, 9))
  local low, high = take(r, 32), take(r, 32)
  return by_id(source, target, UInt64.new(low, high))
end

local function number_packet(memo, wire)
  local connection, direction = memo.connection, memo.direction
  local known = connection.newest[direction]
  memo.number = connection.seen[direction] and widen(known, wire, 16) or connection.from_start and widen(-1, wire, 16) or wire
  memo.late = direction == SERVER and connection.seen[direction] and memo.number <= known
  if direction == SERVER and not connection.first then connection.first = connection.from_start and 0 or memo.number end
  connection.newest[direction] = max(known, memo.number)
  connection.seen[direction] = true
end

local BODIES = { [6] = "close", [7] = "path_challenge", [8] = "path_response" }
local TITLES = { [0] = "request", "challenge", "response", "accepted", "refused", "payload", "close", "path challenge", "path response", "token ask", "token grant" }

local function dissect_body(memo, type, r, tree, first)
  if type == 5 then return dissect_payload(memo, r, tree, first) end
  local scope, item = {}, branch(tree, r, nil, TITLES[type])
  if guarded(M[BODIES[type]], r, scope, item) then ended(r, item) end
  if first and memo.direction == SERVER and not memo.late then memo.connection.pending[memo.number] = { ops = {} } end
  return TITLES[type] .. " " .. memo.number
end

local function dissect_numbered(type, tvb, data, source, target, tree, memo, first)
  if first then
    memo.direction = endpoints[target] and CLIENT or endpoints[source] and SERVER or memo.guess
    memo.messages = {}
  end
  local r, scope = reader(data, tvb), {}
  r.limit = r.limit - TAG * 8
  if not guarded(memo.direction == CLIENT and M.client_header or M.server_header, r, scope, tree) then return "malformed " .. TITLES[type] end
  memo.header = r.pos
  memo.connection = memo.connection or find_connection(data, source, target, memo.direction == CLIENT)
  derive(tree, D.direction, memo.direction)
  if memo.connection.id then derive(tree, D.connection, memo.connection.id) end
  if scope.opened == 0 then
    tree:add(D.body, tvb:range(r.pos / 8, r.limit / 8 - r.pos / 8))
    tree:add_proto_expert_info(E.sealed)
    return "sealed " .. TITLES[type] .. " " .. scope.sequence
  end
  if first then number_packet(memo, scope.sequence) end
  derive(tree, D.number, memo.number % M32)
  return dissect_body(memo, type, r, tree, first)
end

local HANDSHAKES = { [0] = "request", "challenge", "response", "accepted", "refused", [9] = "token_ask", [10] = "token_grant" }

local function dissect_handshake(type, tvb, data, source, target, tree, first)
  local r, scope = reader(data, tvb), {}
  r.limit = r.limit - TAG * 8
  if not guarded(M[HANDSHAKES[type]], r, scope, tree) then return "malformed " .. TITLES[type] end
  ended(r, tree)
  if first and (type == 0 or type == 2 or type == 9) then endpoints[target] = true end
  if first and type == 2 then offered[source .. ">" .. target] = tostring(scope["schema hash"]) end
  if first and type == 3 then
    local connection = by_id(target, source, scope.connection)
    -- An id that a server drew anew, or an acceptance that came behind the connection's first packets.
    connection.from_start = true
    if not connection.seen[SERVER] then connection.applied, connection.first = -1, 0 end
  end
  return TITLES[type]
end

local function dissect(tvb, pinfo, tree, guess)
  local data = tvb:raw(0, tvb:len())
  local memo = memos[pinfo.number]
  local first = memo == nil
  memo = memo or { guess = guess }
  memos[pinfo.number] = memo
  pinfo.cols.protocol = "Hectare"
  local item = tree:add(hectare, tvb:range(0, tvb:len()))
  local type = byte(data, 1) % 16
  local source, target = tostring(pinfo.src) .. ":" .. pinfo.src_port, tostring(pinfo.dst) .. ":" .. pinfo.dst_port
  local info
  if #data < 1 + TAG or not TITLES[type] then
    item:add_proto_expert_info(E.malformed, "no packet of Hectare: type " .. type .. ", " .. #data .. " bytes")
    info = "malformed"
  elseif HANDSHAKES[type] then
    info = dissect_handshake(type, tvb, data, source, target, item, first)
  else
    info = dissect_numbered(type, tvb, data, source, target, item, memo, first)
  end
  item:add(D.tag, tvb:range(max(tvb:len() - TAG, 0), min(TAG, tvb:len())))
  item:append_text(": " .. info)
  pinfo.cols.info = info
end

local function safely(tvb, pinfo, tree, guess)
  if tvb:len() == 0 then return 0 end
  local good, problem = pcall(dissect, tvb, pinfo, tree, guess)
  if not good then tree:add_proto_expert_info(E.defect, tostring(type(problem) == "table" and problem.text or problem)) end
  return tvb:len()
end

-- ---- what Wireshark sees

hectare.init = reset
reset()

function hectare.dissector(tvb, pinfo, tree)
  return safely(tvb, pinfo, tree, pinfo.match_uint == pinfo.src_port and pinfo.src_port ~= pinfo.dst_port and SERVER or CLIENT)
end

SCHEMA = read_schema((SCHEMA_BYTES:gsub("..", function(hex) return string.char(tonumber(hex, 16)) end)))
declare_fields(SCHEMA)
local all, experts = {}, {}
for _, field in pairs(F) do table.insert(all, field) end
for _, field in pairs(D) do table.insert(all, field) end
for _, field in pairs(E) do table.insert(experts, field) end
hectare.fields, hectare.experts = all, experts

-- A request, for a token or for a connection, says what it is; from then on its server's address is known.
local function is_ours(tvb, pinfo)
  if endpoints[tostring(pinfo.src) .. ":" .. pinfo.src_port] or endpoints[tostring(pinfo.dst) .. ":" .. pinfo.dst_port] then return tvb:len() > 0 end
  local type = tvb:range(0, 1):uint()
  return tvb:len() == 1200 and (type == 0 or type == 9) and tvb:range(1, 4):string() == "HECT"
end

hectare:register_heuristic("udp", function(tvb, pinfo, tree)
  local good, ours = pcall(is_ours, tvb, pinfo)
  if not good or not ours then return false end
  safely(tvb, pinfo, tree, CLIENT)
  return true
end)

DissectorTable.get("udp.port"):add(PORT, hectare)
