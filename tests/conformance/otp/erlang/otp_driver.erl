%% Runs scenarios and writes what every process saw.
%%
%% erl -noshell -pa EBIN -run otp_driver main -extra OUTPUT SCENARIOS...
-module(otp_driver).
-export([main/0]).

%% Scenarios that run at the same time. They spend their time waiting.
-define(AT_ONCE, 8).

%% How long a step may take before the trace says that it is stuck.
-define(STUCK_MS, 5000).

%% Long enough for whatever has been set off to arrive.
-define(SETTLE_MS, 25).

main() ->
    logger:set_primary_config(level, none),
    {ok, _} = pg:start(pg),
    [Output | Files] = init:get_plain_arguments(),
    Scenarios = lists:append([parse(File) || File <- Files]),
    Texts = parallel(Scenarios),
    ok = file:write_file(Output, Texts),
    halt(0).

parallel(Scenarios) ->
    {Running, Waiting} = lists:split(min(?AT_ONCE, length(Scenarios)), Scenarios),
    collect([start(Scenario) || Scenario <- Running], Waiting, #{}, Scenarios).

collect([], [], Done, Scenarios) -> [maps:get(Name, Done) || {Name, _} <- Scenarios];
collect(Running, Waiting, Done, Scenarios) ->
    receive
        {finished, Pid, Name, Text} ->
            Left = lists:delete(Pid, Running),
            {More, Rest} = case Waiting of
                [Next | Others] -> {[start(Next)], Others};
                [] -> {[], []}
            end,
            collect(More ++ Left, Rest, Done#{Name => Text}, Scenarios)
    end.

start({Name, Steps}) ->
    Collector = self(),
    spawn(fun() ->
        Text = try scenario(Name, Steps)
               catch Class:Reason:Stack ->
                   io_lib:format("== ~s~nbroken: ~0p~n", [Name, {Class, Reason, Stack}])
               end,
        Collector ! {finished, self(), Name, Text}
    end).

%% A scenario is a name and its steps, each a list of words.
parse(File) ->
    {ok, Text} = file:read_file(File),
    Lines = [string:lexemes(Line, " \t\r") || Line <- string:split(binary_to_list(Text), "\n", all)],
    scenarios([Words || Words = [First | _] <- Lines, hd(First) =/= $#], []).

scenarios([], Done) -> lists:reverse([{Name, lists:reverse(Steps)} || {Name, Steps} <- Done]);
scenarios([["scenario", Name] | Rest], Done) -> scenarios(Rest, [{Name, []} | Done]);
scenarios([[Word | _] | Rest], Done) when Word =:= "rule"; Word =:= "about"; Word =:= "differs" ->
    scenarios(Rest, Done);
scenarios([Words | Rest], [{Name, Steps} | Done]) ->
    scenarios(Rest, [{Name, [Words | Steps]} | Done]).

scenario(Name, Steps) ->
    process_flag(trap_exit, true),
    World = otp_world:new(Name),
    put(world, World),
    put(me, "driver"),
    lists:foreach(fun(Step) -> step(Step, World) end, Steps),
    timer:sleep(?SETTLE_MS),
    otp_world:note(["alive: ", lists:join(" ", otp_world:alive(World))]),
    Lines = lists:sort([Known || Known <- lists:usort([N || {N, _} <- otp_world:traces(World)])]),
    Traces = otp_world:traces(World),
    Text = [[Trace, ": ", Line, "\n"] || Trace <- Lines, {Of, Line} <- Traces, Of =:= Trace],
    stop_all(World),
    ["== ", Name, "\n", Text].

stop_all(World) ->
    [exit(otp_world:pid(World, Name), kill) || Name <- otp_world:alive(World)].

step(["proc" | Names], World) ->
    lists:foreach(fun(Name) ->
        otp_proc:start(World, Name),
        otp_world:await_pid(Name)
    end, Names);
step(["server", Name | Words], World) ->
    started(Name, otp_server:start_link(World, Name, Words));
step(["manager", Name], World) ->
    {ok, Pid} = gen_event:start_link(),
    otp_world:enter(World, Name, Pid);
step(["statem", Name | Words], World) -> otp_world:define(World, {statem, Name}, Words);
step(["on", Name | Words], World) -> otp_world:define(World, {on, Name}, Words);
step(["sup", Name | Words], World) -> otp_world:define(World, {sup, Name}, Words);
step(["child", Sup | Words], World) -> otp_world:define(World, {child, Sup}, Words);
step(["start", Name], World) ->
    Started = case otp_world:definitions(World, {statem, Name}) of
        [] -> otp_sup:start_link(World, Name);
        _ -> otp_statem:start_link(World, Name)
    end,
    started(Name, Started);
step(["stop", Name], World) ->
    exit(otp_world:pid(World, Name), shutdown),
    step(["ended", Name], World);
step(["ended", Name], World) ->
    N = case get({ends, Name}) of undefined -> 1; Before -> Before + 1 end,
    put({ends, Name}, N),
    Reason = wait(fun() ->
        case otp_world:ended(World, Name, N) of
            none -> false;
            Reason -> {true, Reason}
        end
    end),
    otp_world:note(["ended ", Name, " ", Reason]);
step(["await", Name, N], World) ->
    Wanted = list_to_integer(N),
    case wait(fun() -> otp_world:lines(World, Name) >= Wanted andalso {true, "there"} end) of
        "there" -> ok;
        Stuck -> otp_world:note(["await ", Name, " ", N, ": ", Stuck])
    end;
step(["pause", Ms], _) -> timer:sleep(list_to_integer(Ms));
step(["go", Name | Words], World) -> otp_world:pid(World, Name) ! {go, Words};
step(["which", Sup], World) ->
    Children = supervisor:which_children(otp_world:pid(World, Sup)),
    Names = [[" ", child_name(Id, Pid), "=", presence(Pid)] || {Id, Pid, _, _} <- Children],
    otp_world:note(["which ", Sup, ":", lists:sort([lists:flatten(Name) || Name <- Names])]);
step(["count", Sup], World) ->
    Counts = supervisor:count_children(otp_world:pid(World, Sup)),
    %% A dynamic supervisor has one spec for all its children, which says nothing about them.
    Keys = case otp_world:definitions(World, {sup, Sup}) of
        [["dynamic" | _] | _] -> [active, supervisors, workers];
        _ -> [specs, active, supervisors, workers]
    end,
    Words = [[" ", atom_to_list(Key), "=", integer_to_list(proplists:get_value(Key, Counts))]
             || Key <- Keys],
    otp_world:note(["count ", Sup, ":", Words]);
step(["start_child", Sup, Child | Words], World) ->
    Pid = otp_world:pid(World, Sup),
    Spec = case otp_world:definitions(World, {sup, Sup}) of
        [["dynamic" | _] | _] -> [Child];
        _ -> otp_sup:child(World, Child, Words)
    end,
    answered("start_child", Sup, Child, supervisor:start_child(Pid, Spec));
step(["terminate_child", Sup, Child], World) ->
    Id = case otp_world:definitions(World, {sup, Sup}) of
        [["dynamic" | _] | _] -> otp_world:pid(World, Child);
        _ -> list_to_atom(Child)
    end,
    Answer = supervisor:terminate_child(otp_world:pid(World, Sup), Id),
    answered("terminate_child", Sup, Child, Answer);
step(["restart_child", Sup, Child], World) ->
    Pid = otp_world:pid(World, Sup),
    Answer = supervisor:restart_child(Pid, list_to_atom(Child)),
    answered("restart_child", Sup, Child, Answer);
step(["delete_child", Sup, Child], World) ->
    Pid = otp_world:pid(World, Sup),
    Answer = supervisor:delete_child(Pid, list_to_atom(Child)),
    answered("delete_child", Sup, Child, Answer);
step([Name | Words], World) ->
    Pid = otp_world:pid(World, Name),
    Tag = monitor(process, Pid),
    Pid ! {do, self(), Tag, Words},
    receive
        {done, Tag} -> demonitor(Tag, [flush]);
        {'DOWN', Tag, process, _, _} -> ok
    after ?STUCK_MS -> otp_world:note(["stuck: ", lists:join(" ", [Name | Words])])
    end.

started(Name, {ok, _}) -> otp_world:note(["start ", Name, ": ok"]);
started(Name, ignore) -> otp_world:note(["start ", Name, ": ignore"]);
started(Name, {error, Reason}) ->
    otp_world:note(["start ", Name, ": ", otp_world:reason(Reason)]).

answered(Op, Sup, Child, Answer) ->
    Text = case Answer of
        ok -> "ok";
        {ok, undefined} -> "ignore";
        {ok, _} -> "ok";
        {error, Reason} -> "error:" ++ otp_world:reason(Reason)
    end,
    otp_world:note([Op, " ", Sup, " ", Child, ": ", Text]).

child_name(undefined, Pid) -> otp_world:name(Pid);
child_name(Id, _) -> atom_to_list(Id).

presence(Pid) when is_pid(Pid) -> "up";
presence(undefined) -> "down";
presence(restarting) -> "restarting".

%% What the function finds, as soon as it does.
wait(Find) -> wait(Find, erlang:monotonic_time(millisecond) + ?STUCK_MS).

wait(Find, Deadline) ->
    case Find() of
        {true, Found} -> Found;
        false ->
            case erlang:monotonic_time(millisecond) > Deadline of
                true -> "stuck";
                false -> timer:sleep(1), wait(Find, Deadline)
            end
    end.
