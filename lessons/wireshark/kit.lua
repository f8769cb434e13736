-- Show the chat kit's frames in Wireshark: each with its header, its length and its text, and who
-- speaks beside what is said.
--
--     tshark -r FILE.pcap -X lua_script:kit.lua -Y kit
--     wireshark -r FILE.pcap -X lua_script:kit.lua
--
-- (As yourself: from 4.4 on, Wireshark loads no script for root, and says nothing about it.)
--
-- Or copy this file into the folder that Wireshark names under Help, About, Folders, "Personal Lua
-- Plugins". Port 1234 is the kit's. For another one: Edit, Preferences, Protocols, KIT; or
-- `-o kit.port:2345`; or "Decode As".
--
-- To filter:  kit.name == "ada"    what ada says, and what is said to ada alone
--             kit.text contains "hello"
--             kit.wrong            a header that no program of the kit takes
--
-- TCP gives us its bytes in pieces, as they came; a frame that is not whole yet we ask it to bring
-- again, together with more. Wireshark reads a capture at least twice, and any packet again when
-- somebody clicks on it. So what depends on what came before (who speaks?) is found out in the
-- first reading, packet by packet, and remembered. This file has four parts:
--
--     1 frames     where does one begin and end?
--     2 people     who speaks? In the first reading only
--     3 the view   a row for each frame
--     4 Wireshark  what it calls
--
-- Not done here: where segments came in another order, TCP leaves out the late ones, unless it is
-- told to sort them: `-o tcp.reassemble_out_of_order:TRUE`.

local kit = Proto("kit", "Chat Kit")

local HEADER = 10 -- bytes
local MAX_PAYLOAD = 65536 -- bytes
local LONGEST_NAME = 20 -- characters, and in UTF-8 a character has at most 4 bytes
local TCP, SYN = 2, 2 -- Wireshark's number for TCP, and TCP's for "a connection begins"
local SEQUENCE, FLAGS = 4, 13 -- where they stand in TCP's header
local LONGEST_START = 120 -- bytes of a packet that holds nothing but headers
local NOTICES = { "welcome", "online", "joined", "left", "refused", "error", "help", "bye" }

local field = {
    frame = ProtoField.none("kit.frame", "Frame"),
    header = ProtoField.string("kit.header", "Header"),
    length = ProtoField.uint32("kit.length", "Length"),
    text = ProtoField.string("kit.text", "Text", base.UNICODE),
    from = ProtoField.string("kit.from", "From", base.UNICODE),
    name = ProtoField.string("kit.name", "Name", base.UNICODE),
    skipped = ProtoField.bytes("kit.skipped", "Bytes that are in no frame"),
}
local wrong = ProtoExpert.new(
    "kit.wrong",
    "Wrong header, or bytes before it are missing",
    expert.group.MALFORMED,
    expert.severity.ERROR
)
local lost = ProtoExpert.new(
    "kit.lost", "No frame begins here", expert.group.SEQUENCE, expert.severity.NOTE
)
kit.fields = field
kit.experts = { wrong, lost }
kit.prefs.port = Pref.uint("TCP port", 1234, "Where the server listens")

local talks = {} -- both ends of a connection -> what is known of it; see new_talk
local remembered = {} -- packet and place -> what the first reading found there; see 4
local shown = 0 -- frames of the packet that is read just now

-- ---- 1. Frames ----------------------------------------------------------------------------------

-- Return the length that the header at place tells, or nil if it is wrong.
local function length_at(tvb, place)
    local digits = tvb:raw(place, HEADER):match("^ *([0-9]+) *$")
    if digits == nil or tonumber(digits) > MAX_PAYLOAD then
        return nil
    end
    return tonumber(digits)
end

-- Return the part of a frame that is its payload; the whole frame if it has none.
local function payload_of(range)
    if range:len() == HEADER then
        return range
    end
    return range:range(HEADER)
end

-- Return a frame's payload as text.
local function text_of(range)
    if range:len() == HEADER then
        return ""
    end
    return payload_of(range):string(ENC_UTF_8)
end

-- Could the few bytes from place on be the beginning of a header?
local function may_begin_header(tvb, place)
    return tvb:raw(place, tvb:len() - place):match("^ *[0-9]* *$") ~= nil
end

-- Is there a frame at place? It is one if another header follows, or nothing.
-- Return "yes", "no", or "more" if it takes more bytes to say.
local function is_frame(tvb, place)
    if tvb:len() - place < HEADER then
        return may_begin_header(tvb, place) and "more" or "no"
    end
    local length = length_at(tvb, place)
    if length == nil then
        return "no"
    end
    local next_place = place + HEADER + length
    local rest = tvb:len() - next_place
    if rest < 0 then
        return "more"
    end
    if rest >= HEADER then
        return length_at(tvb, next_place) and "yes" or "no"
    end
    if rest > 0 and not may_begin_header(tvb, next_place) then
        return "no"
    end
    -- Spaces before the digits can be the end of something else: then we want to see what follows.
    if tvb:raw(place, 1) == " " then
        return "more"
    end
    return "yes"
end

-- Return the first place, from this one on, where there is a frame or where there may be one.
local function search(tvb, place)
    while place < tvb:len() and is_frame(tvb, place) == "no" do
        place = place + 1
    end
    return place
end

-- ---- 2. People ----------------------------------------------------------------------------------

-- Begin a conversation. From its first byte on (whole), the client's first frame is its name, and
-- the server's frames are a sender and a text in turn. From the middle on, only a frame can tell.
local function new_talk(server_port, whole, number)
    local talk = { server_port = server_port, number = number, name = nil }
    talk.to_server = { in_step = whole, why = lost, name_follows = whole }
    talk.to_client = { in_step = whole, why = lost, turn = nil, last = nil }
    if whole then
        talk.to_client.turn = "sender"
    end
    return talk
end

-- Can this text not be who speaks? Names have no spaces, and end somewhere.
local function is_no_sender(text)
    if text:match("^%S+ %-> %S+$") then
        return false
    end
    return text == "" or text:find("%s") ~= nil or #text > 4 * LONGEST_NAME
end

-- Is this what a server itself says?
local function is_notice(text)
    for _, kind in ipairs(NOTICES) do
        if text == kind or text:sub(1, #kind + 1) == kind .. " " then
            return true
        end
    end
    return false
end

-- Return what a frame to the server is, and who speaks.
local function hear_client(talk, text)
    if talk.to_server.name_follows then
        talk.to_server.name_follows = false
        talk.name = text:match("^%S+") -- a password may follow
        return "name", talk.name
    end
    return "text", talk.name
end

-- Return what a frame to the client is, and who speaks.
local function hear_server(talk, text)
    local way = talk.to_client
    local last = way.last
    way.last = text
    if way.turn == "sender" then
        way.turn = "text"
        return "sender", text
    end
    local is_text = way.turn == "text" or is_no_sender(text)
    if last == "server" and is_notice(text) then
        is_text = true
    end
    if not is_text then
        return "frame", nil -- we came in the middle: it may be either
    end
    way.turn = "sender"
    if last == "server" and talk.name == nil then
        talk.name = text:match("^welcome (%S+)$")
    end
    return "text", last
end

-- Something came this way that is no frame: nobody knows whose turn it is now.
local function lose_step(way)
    way.in_step = false
    way.why = wrong
    way.name_follows = false
    way.turn = nil
    way.last = nil
end

-- ---- 3. The view --------------------------------------------------------------------------------

-- Add words to the packet's line in the list.
local function add_to_list(pinfo, words)
    if shown == 0 then
        pinfo.cols.protocol = "KIT"
        pinfo.cols.info = words
    else
        pinfo.cols.info:append(" | " .. words)
    end
    pinfo.cols.info:fence() -- what stands before the fence is left alone by TCP
    shown = shown + 1
end

-- Return a frame in a few words.
local function in_words(found, text)
    if found.role == "name" then
        return "name: " .. text
    elseif found.role == "sender" then
        return "from " .. text
    elseif found.role == "text" then
        return (found.from or "?") .. ": " .. text
    end
    return text
end

-- Add who speaks, and everybody who is named there: a private message has two names.
local function add_names(item, from)
    item:add(field.from, from):set_generated()
    local sender, receiver = from:match("^(%S+) %-> (%S+)$")
    item:add(field.name, sender or from):set_generated()
    if receiver then
        item:add(field.name, receiver):set_generated()
    end
end

-- Show a whole frame.
local function show_frame(branch, pinfo, range, found)
    local text = text_of(range)
    local words = in_words(found, text)
    local item = branch:add(field.frame, range)
    item:set_text("Frame, " .. (range:len() - HEADER) .. " bytes: " .. words)
    item:add(field.header, range(0, HEADER))
    item:add(field.length, range(0, HEADER), range:len() - HEADER)
    item:add(field.text, payload_of(range), text)
    if found.from then
        add_names(item, found.from)
    end
    add_to_list(pinfo, words)
end

-- Show bytes that are in no frame, and say why.
local function show_skipped(branch, pinfo, range, found)
    local item = branch:add(field.skipped, range)
    item:add_proto_expert_info(found.why)
    if found.why == wrong then
        add_to_list(pinfo, "wrong header, or bytes before it are missing")
    else
        add_to_list(pinfo, "no frame begins here")
    end
end

-- ---- 4. Wireshark -------------------------------------------------------------------------------

-- Return the two ends of this packet's connection as a key, the same for both ways.
local function ends_of(pinfo)
    local source = tostring(pinfo.src) .. " " .. pinfo.src_port
    local target = tostring(pinfo.dst) .. " " .. pinfo.dst_port
    if source < target then
        return source .. " " .. target
    end
    return target .. " " .. source
end

-- Return what is known of this packet's connection, and of this way through it.
local function talk_of(pinfo)
    local ends = ends_of(pinfo)
    if talks[ends] == nil then
        talks[ends] = new_talk(pinfo.match, false, nil)
    end
    local talk = talks[ends]
    if pinfo.dst_port == talk.server_port then
        return talk, talk.to_server
    end
    return talk, talk.to_client
end

-- Return what the first reading found at this place; in the first reading, a table to be filled.
-- One packet may hold the ends of several pieces, so the piece's own offset is part of the key.
local function recall(tvb, pinfo, place)
    local key = pinfo.number .. " " .. tvb:offset() .. " " .. place
    if pinfo.visited then
        return remembered[key] or { in_step = true }
    end
    local _, way = talk_of(pinfo)
    remembered[key] = { in_step = way.in_step, why = way.why }
    return remembered[key]
end

-- Say in the first reading that no frame begins here, and that the next one has to be searched for.
local function stumble(pinfo, found)
    if not pinfo.visited then
        local _, way = talk_of(pinfo)
        lose_step(way)
        found.in_step = false
        found.why = wrong
    end
end

-- Learn in the first reading what a whole frame tells.
local function learn(pinfo, range, found)
    if pinfo.visited then
        return
    end
    local talk, way = talk_of(pinfo)
    way.in_step = true
    if way == talk.to_server then
        found.role, found.from = hear_client(talk, text_of(range))
    else
        found.role, found.from = hear_server(talk, text_of(range))
    end
end

-- Read what is at place, and show it. Return the place after it; or nil, and how many bytes of it
-- are missing.
--
-- If a header is cut we ask for one more segment, not for the rest: asked for the rest, Wireshark
-- shows the frame in its first reading and loses it in the second.
local function read(tvb, pinfo, branch, place)
    local found = recall(tvb, pinfo, place)
    local size = tvb:len() - place
    if found.in_step and size >= HEADER and length_at(tvb, place) == nil then
        stumble(pinfo, found)
    end
    if not found.in_step then
        local start = search(tvb, place)
        if start > place then
            show_skipped(branch(), pinfo, tvb:range(place, start - place), found)
            return start
        elseif is_frame(tvb, place) == "more" then
            return nil, DESEGMENT_ONE_MORE_SEGMENT
        end
    end
    if size < HEADER then
        return nil, DESEGMENT_ONE_MORE_SEGMENT
    end
    local whole = HEADER + length_at(tvb, place)
    if size < whole then
        return nil, whole - size
    end
    local range = tvb:range(place, whole)
    learn(pinfo, range, found)
    show_frame(branch(), pinfo, range, found)
    return place + whole
end

-- Read what TCP brings: the bytes of a packet, together with those that we asked to have again.
function kit.dissector(tvb, pinfo, tree)
    local own = nil -- our branch of the tree; it grows when there is something to show
    local function branch()
        own = own or tree:add(kit, tvb())
        return own
    end
    local place = 0
    while place < tvb:len() do
        local next_place, missing = read(tvb, pinfo, branch, place)
        if next_place == nil then
            pinfo.desegment_offset = place
            pinfo.desegment_len = missing
            break
        end
        place = next_place
    end
    return tvb:len()
end

-- Look at a packet as a whole, after all others have. Here we see connections begin: those packets
-- are empty, so TCP does not bring them. The first of two readings has no fields: we look at bytes.
local start = Proto("kit_start", "Chat Kit, where connections begin")

function start.dissector(tvb, pinfo)
    shown = 0
    if pinfo.visited or pinfo.port_type ~= TCP or tvb:len() > LONGEST_START then
        return
    end
    local data = tvb:raw()
    local place = data:find(Struct.pack(">I2I2", pinfo.src_port, pinfo.dst_port), 1, true)
    if place == nil or #data < place + FLAGS or data:byte(place + FLAGS) % 64 ~= SYN then
        return
    end
    local number = Struct.unpack(">I4", data, place + SEQUENCE)
    local ends = ends_of(pinfo)
    if talks[ends] == nil or talks[ends].number ~= number then -- else it was sent again
        talks[ends] = new_talk(pinfo.dst_port, true, number)
    end
end

function kit.init()
    talks = {}
    remembered = {}
    shown = 0
end

-- Take the port from the preferences.
local tcp_ports = DissectorTable.get("tcp.port")
local port = kit.prefs.port

function kit.prefs_changed()
    tcp_ports:remove(port, kit)
    port = kit.prefs.port
    tcp_ports:add(port, kit)
end

tcp_ports:add(port, kit)
register_postdissector(start)

-- Colour the list: wrong headers, private messages, notices, and all else of the kit.
local COLOURS = {
    "kit.wrong",
    'kit.from contains " -> "',
    'kit.from == "server"',
    "kit",
}
if gui_enabled() then
    for slot, filter in ipairs(COLOURS) do
        set_color_filter_slot(slot, filter)
    end
end
