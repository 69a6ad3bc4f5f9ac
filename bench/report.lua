-- Loaded by every load: prints one line of JSON at the end, and makes the requests that are more than a URL.
--   wrk -s report.lua URL -- BODY_FILE CONTENT_TYPE METHOD [AUTHORIZATION]
-- Where the body says {number}, each request says another one.

local threads = 0

function setup(thread)
  threads = threads + 1
  thread:set("thread", threads)
end

function init(args)
  if #args > 0 then
    local file = assert(io.open(args[1], "rb"))
    wrk.body = file:read("*a")
    file:close()
    wrk.headers["Content-Type"] = args[2]
    wrk.method = args[3]
    if args[4] then
      wrk.headers["Authorization"] = args[4]
    end
    local before, after = wrk.body:match("^(.*){number}(.*)$")
    if before then
      local run, count = os.time(), 0
      request = function()
        count = count + 1
        return wrk.format(nil, nil, nil, table.concat({before, run, "-", thread, "-", count, after}))
      end
    end
  end
end

function done(summary, latency, requests)
  local errors = summary.errors
  print(string.format(
    'report {"requests": %d, "microseconds": %d, "p50": %d, "p99": %d, "refused": %d, "broken": %d}',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99), errors.status,
    errors.connect + errors.read + errors.write + errors.timeout
  ))
end
