"""What Redis runs for one charge: the same arithmetic as ``gcra``, on the server's clock, as one atomic step.

A Redis that has started anew has forgotten what was admitted, or remembers an older state from disk. So the moment it
started is part of the answer: until ``settle`` microseconds after it nothing is decided here, because processes may
not have noticed yet and still hand out their own shares; and at that moment every account was empty. Both follow from
the server's own uptime, which no client needs to know and nothing on disk can contradict.
"""

CHARGE = """
local interval, burst, cost, settle = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
local span = interval * burst
local debt = 0

local about = redis.call('INFO', 'server')
local uptime = tonumber(string.match(about, 'uptime_in_seconds:(%-?%d+)'))
if uptime >= 0 then -- below 0: somebody has set the clock back beyond the start, which then says nothing
    -- Both in whole seconds of one look at the clock, so that the start is the same in every answer: a process that is
    -- told to wait and one that is served must mean the same moment. It may lie up to a second after what they say.
    local seen = math.floor(tonumber(string.match(about, 'server_time_usec:(%d+)') or time[1] * 1000000) / 1000000)
    local settled = (seen - uptime + 1) * 1000000 + settle
    if now < settled then
        return {-1, settled - now}
    end
    debt = settled + span - now
end

local full_at = redis.call('GET', KEYS[1])
if full_at then
    debt = math.max(debt, tonumber(full_at) - now)
end
debt = math.min(math.max(debt, 0), span)

local after = debt + interval * cost
if after > span then
    return {0, debt}
end
if cost > 0 then
    redis.call('SET', KEYS[1], string.format('%.0f', now + after), 'PX', math.ceil(after / 1000))
end
return {1, after}
"""
"""One key; interval and settle in microseconds, burst and cost in charges. Answers {1, debt after it} when the charge
was taken, {0, debt} when not, {-1, microseconds} while the server has only just started."""
