%% The rows of `vaxel bench actors` for the BEAM, written as its users write them.
%%
%% erlc peers.erl && erl -noshell -s peers main -extra --case ring --workers 2
%%
%% Prints one line of JSON, as the other programs that offer rows do: costs in bytes or seconds,
%% single delays in nanoseconds as pairs of value and count.
-module(peers).
-export([main/0, idle/0, player/1, node/3, server/1, sup_server/0, server_loop/1]).
-export([init/1]).

main() ->
    Options = options(init:get_plain_arguments(), #{"--scale-down" => "1"}),
    #{"--case" := Case, "--workers" := Workers, "--scale-down" := Down} = Options,
    erlang:system_flag(schedulers_online, min(list_to_integer(Workers),
                                              erlang:system_info(schedulers))),
    logger:set_primary_config(level, none),
    Scale = fun(Full) -> max(1, Full div list_to_integer(Down)) end,
    %% Processes of the shell's kind begin with the heap that every process begins with.
    Measured = inside(fun() -> row(Case, Scale) end),
    io:put_chars([json(Measured), $\n]),
    halt(0).

options([Name, Value | Rest], Known) -> options(Rest, Known#{Name => Value});
options([], Known) -> Known.

inside(Fun) ->
    {Pid, Ref} = spawn_monitor(fun() -> exit({measured, Fun()}) end),
    receive {'DOWN', Ref, process, Pid, {measured, M}} -> M;
            {'DOWN', Ref, process, Pid, Why} -> io:format(standard_error, "~p~n", [Why]), halt(1)
    end.

row("memory", Scale) ->
    Few = Scale(100000), Many = Scale(1000000),
    A = grow([], Few),
    Before = resident(),
    B = grow([], Many - Few),
    Bytes = (resident() - Before) / (Many - Few),
    stop(A), stop(B),
    #{costs => [Bytes]};
row("memory-supervised", Scale) ->
    Few = Scale(100000), Many = Scale(1000000),
    {ok, Sup} = supervisor:start_link(?MODULE, dynamic),
    children(Sup, Few),
    Before = resident(),
    children(Sup, Many - Few),
    #{costs => [(resident() - Before) / (Many - Few)]};
row(Case, Scale) when Case =:= "spawn-cold"; Case =:= "spawn-warm" ->
    N = Scale(1000000),
    #{costs => [seconds(fun() -> spawn_round(N) end) / N || _ <- lists:seq(1, 4)]};
row("ping-pong", Scale) -> ring(2, Scale(4000000));
row("ring", Scale) -> ring(1000, max(2000, Scale(4000000)));
row("many-to-one", Scale) ->
    Each = Scale(500000), Me = self(),
    Sink = spawn(fun() -> sink(16 * Each, Me) end),
    Cost = seconds(fun() ->
        [spawn(fun() -> pour(Each, Sink) end) || _ <- lists:seq(1, 16)],
        receive done -> ok end
    end),
    #{costs => [Cost / (16 * Each)]};
row("skynet", Scale) ->
    Levels = case Scale(10) of 10 -> 6; _ -> 4 end,
    Leaves = pow10(Levels), Me = self(),
    Cost = seconds(fun() ->
        spawn(?MODULE, node, [Levels, 0, Me]),
        receive {sum, Sum} -> Sum = Leaves * (Leaves - 1) div 2 end
    end),
    #{costs => [Cost]};
row("fan-out", Scale) ->
    N = 100000, Rounds = Scale(20), Counter = counters:new(1, [write_concurrency]),
    Members = [spawn(fun() -> member(Counter) end) || _ <- lists:seq(1, N)],
    Cost = seconds(fun() ->
        [begin
             spawn(fun() -> [M ! touch || M <- Members] end),
             until(Counter, N * Round)
         end || Round <- lists:seq(1, Rounds)]
    end),
    #{costs => [Cost / (N * Rounds)]};
row("call", Scale) ->
    Server = spawn(?MODULE, server, [0]),
    delays(fun() -> call(Server) end, Scale(1000000));
row("recover", Scale) ->
    {ok, _} = supervisor:start_link(?MODULE, one),
    delays(fun() -> crash_and_call() end, min(Scale(20000), 5000));
row("spinners-0", Scale) -> beside(0, undefined, Scale);
row("spinners", Scale) -> beside(2, undefined, Scale);
row("spinners-8", Scale) -> beside(8, undefined, Scale);
row("spinners-50", Scale) -> beside(50, undefined, Scale);
row("unseen", Scale) -> beside(2, 4, Scale);
row(_, _) -> #{not_possible => "this row is not written for the BEAM"}.

%% ---- memory and spawning

idle() -> idle(0).
idle(N) -> receive touch -> idle(N + 1); {ask, From} -> From ! N, idle(N); stop -> ok end.

grow(Pids, 0) -> [begin P ! {ask, self()}, receive N when is_integer(N) -> ok end end || P <- Pids],
                 Pids;
grow(Pids, N) ->
    Pid = spawn(?MODULE, idle, []),
    Pid ! touch,
    grow([Pid | Pids], N - 1).

stop(Pids) -> [P ! stop || P <- Pids], ok.

children(_, 0) -> ok;
children(Sup, N) -> {ok, _} = supervisor:start_child(Sup, []), children(Sup, N - 1).

spawn_round(N) ->
    Me = self(),
    Counter = counters:new(1, [write_concurrency]),
    Pids = [spawn(fun() -> counters:add(Counter, 1, 1), receive stop -> ok end end)
            || _ <- lists:seq(1, N)],
    until(Counter, N),
    spawn(fun() -> stop(Pids), Me ! stopped end),
    Pids.

init(dynamic) ->
    {ok, {#{strategy => simple_one_for_one},
          [#{id => idle, start => {?MODULE, sup_server, []}, restart => temporary}]}};
init(one) ->
    {ok, {#{strategy => one_for_one, intensity => 1000000, period => 1},
          [#{id => server, start => {?MODULE, sup_server, []}}]}}.

sup_server() ->
    {ok, spawn_link(fun() ->
        %% A second one keeps its own name.
        catch register(peers_server, self()),
        server(0)
    end)}.

%% ---- messages

ring(Members, Hops) ->
    Me = self(),
    [First | _] = Players = [spawn(?MODULE, player, [Me]) || _ <- lists:seq(1, Members)],
    Nexts = tl(Players) ++ [First],
    lists:foreach(fun({P, Next}) -> P ! {meet, Next} end, lists:zip(Players, Nexts)),
    Cost = seconds(fun() -> First ! {hop, Hops}, receive done -> ok end end),
    [exit(P, kill) || P <- Players],
    #{costs => [Cost / Hops]}.

player(Done) -> receive {meet, Next} -> player(Next, Done) end.
player(Next, Done) ->
    receive
        {hop, 0} -> Done ! done;
        {hop, Left} -> Next ! {hop, Left - 1}
    end,
    player(Next, Done).

sink(0, Done) -> Done ! done;
sink(N, Done) -> receive touch -> sink(N - 1, Done) end.

pour(0, _) -> ok;
pour(N, Sink) -> Sink ! touch, pour(N - 1, Sink).

member(Counter) -> receive touch -> counters:add(Counter, 1, 1), member(Counter) end.

node(0, Number, Parent) -> Parent ! {sum, Number};
node(Level, Number, Parent) ->
    Step = pow10(Level - 1), Me = self(),
    [spawn(?MODULE, node, [Level - 1, Number + C * Step, Me]) || C <- lists:seq(0, 9)],
    Parent ! {sum, gather(10, 0)}.

gather(0, Sum) -> Sum;
gather(N, Sum) -> receive {sum, Part} -> gather(N - 1, Sum + Part) end.

pow10(0) -> 1;
pow10(N) -> 10 * pow10(N - 1).

%% ---- calls

server(N) ->
    receive
        {call, From, Ref} -> From ! {Ref, N + 1}, ?MODULE:server_loop(N + 1);
        {spin, Milliseconds} -> spin(erlang:monotonic_time() +
                                     erlang:convert_time_unit(Milliseconds, millisecond, native)),
                                server(N);
        touch -> server(N + 1);
        crash -> exit(asked_to_crash)
    end.

server_loop(N) -> server(N).

spin(Until) -> case erlang:monotonic_time() < Until of true -> spin(Until); false -> ok end.

%% As gen_server:call does: a monitor, an alias, an answer.
call(Server) ->
    Ref = erlang:monitor(process, Server, [{alias, reply_demonitor}]),
    Server ! {call, Ref, Ref},
    receive {Ref, N} -> N;
            {'DOWN', Ref, process, _, Why} -> exit(Why)
    end.

crash_and_call() ->
    Old = whereis(peers_server),
    Old ! crash,
    again(Old).

again(Old) ->
    case whereis(peers_server) of
        Pid when Pid =/= undefined, Pid =/= Old -> call(Pid);
        _ -> erlang:yield(), again(Old)
    end.

delays(Fun, Count) ->
    Delays = delays(Fun, Count, #{}),
    #{costs => [quantile(Delays, 0.5) / 1.0e9], delays => Delays}.

delays(_, 0, Delays) -> Delays;
delays(Fun, Count, Delays) ->
    Begun = erlang:monotonic_time(nanosecond),
    Fun(),
    delays(Fun, Count - 1, note(erlang:monotonic_time(nanosecond) - Begun, Delays)).

note(Delay, Delays) -> maps:update_with(rounded(max(1, Delay)), fun(N) -> N + 1 end, 1, Delays).

%% Three digits are kept, as on the other sides.
rounded(N) when N < 1000 -> N;
rounded(N) -> 10 * rounded(N div 10).

%% ---- calls at a fixed rate beside processes that compute

beside(Spinners, Slice, Scale) ->
    Length = max(200, Scale(5000)),
    Server = spawn(?MODULE, server, [0]),
    Spin = fun(Pid) ->
        Each = case Slice of undefined -> Length; _ -> Slice end,
        [Pid ! {spin, Each} || _ <- lists:seq(1, (Length + Each - 1) div Each)]
    end,
    [Spin(spawn(?MODULE, server, [0])) || _ <- lists:seq(1, Spinners)],
    Begun = erlang:monotonic_time(nanosecond),
    Me = self(),
    %% Each call is a process of its own: an open loop does not wait for earlier answers.
    spawn(fun() -> send(0, Length, Begun, Server, Me) end),
    Answers = lists:sort(answers(Length, [])),
    Recovered = recovered(Answers, 0, 0),
    All = lists:foldl(fun({I, At}, D) -> note(At - I, D) end, #{}, Answers),
    After = lists:foldl(fun({I, At}, D) when I >= Recovered -> note(At - I, D); (_, D) -> D end,
                        #{}, Answers),
    Recovery = case Recovered of 0 -> 0.0; _ -> (Recovered - Begun) / 1.0e9 end,
    #{costs => [quantile(All, 0.99) / 1.0e9],
      stall => #{all => All, 'after' => After, recovery => Recovery}}.

send(Count, Count, _, _, _) -> ok;
send(N, Count, Begun, Server, Me) ->
    Intended = Begun + N * 1000000,
    case Intended - erlang:monotonic_time(nanosecond) of
        Early when Early > 1000000 -> timer:sleep(Early div 1000000);
        Early when Early > 0 -> erlang:yield();
        _ -> ok
    end,
    case erlang:monotonic_time(nanosecond) >= Intended of
        true ->
            spawn(fun() -> call(Server),
                           Me ! {Intended, erlang:monotonic_time(nanosecond)} end),
            send(N + 1, Count, Begun, Server, Me);
        false -> send(N, Count, Begun, Server, Me)
    end.

answers(0, Answers) -> Answers;
answers(N, Answers) -> receive {I, At} -> answers(N - 1, [{I, At} | Answers]) after 60000 -> exit(lost) end.

%% Until a hundred calls in a row took less than 5 ms.
recovered([], Recovered, _) -> Recovered;
recovered(_, Recovered, 100) -> Recovered;
recovered([{I, At} | Rest], Recovered, _) when At - I > 5000000 -> recovered(Rest, max(Recovered, At), 0);
recovered([_ | Rest], Recovered, Quick) -> recovered(Rest, Recovered, Quick + 1).

%% ---- measuring

seconds(Fun) ->
    {Micros, _} = timer:tc(Fun),
    Micros / 1.0e6.

until(Counter, Goal) ->
    case counters:get(Counter, 1) of
        N when N >= Goal -> ok;
        _ -> receive after 1 -> ok end, until(Counter, Goal)
    end.

resident() ->
    {ok, Text} = file:read_file("/proc/self/statm"),
    [_, Pages | _] = binary:split(Text, <<" ">>, [global]),
    binary_to_integer(Pages) * 4096.

quantile(Delays, Q) ->
    Pairs = lists:sort(maps:to_list(Delays)),
    Total = lists:sum([N || {_, N} <- Pairs]),
    quantile(Pairs, Q * Total, 0).
quantile([{_, N} | Rest], Goal, Seen) when Seen + N < Goal, Rest =/= [] ->
    quantile(Rest, Goal, Seen + N);
quantile([{Value, _} | _], _, _) -> Value;
quantile([], _, _) -> 0.

%% ---- one line of JSON

json(Map = #{costs := Costs}) ->
    ["{\"costs\":[", lists:join(",", [float_to_list(float(C), [{scientific, 9}]) || C <- Costs]), "]",
     case Map of #{delays := D} -> [",\"delays\":", pairs(D)]; _ -> [] end,
     case Map of
         #{stall := #{all := All, 'after' := After, recovery := R}} ->
             [",\"stall\":{\"all\":", pairs(All), ",\"after\":", pairs(After),
              ",\"recovery\":", float_to_list(R, [{scientific, 9}]), "}"];
         _ -> []
     end, "}"];
json(#{not_possible := Why}) -> ["{\"not_possible\":\"", Why, "\"}"].

pairs(Delays) ->
    ["[", lists:join(",", [io_lib:format("[~b,~b]", [V, N]) || {V, N} <- maps:to_list(Delays)]), "]"].
