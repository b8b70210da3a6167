%% What the processes of one scenario share: their names, and what each of them saw.
%%
%% A process enters the world under a name and notes what it sees in the trace of that name.
%% A watcher remembers with which reason every process that entered has ended.
-module(otp_world).
-export([new/1, enter/2, enter/3, note/1, note/2, scenario/0, me/0]).
-export([pid/1, pid/2, name/1, target/1, await_pid/1, global_name/1]).
-export([define/3, definitions/2, count_start/1]).
-export([lines/2, ended/3, traces/1, alive/1]).
-export([reason/1, gone/1, parse_reason/1, text/1]).

new(Scenario) ->
    Table = ets:new(world, [public, ordered_set]),
    Watcher = spawn_link(fun() -> watch(Table, #{}) end),
    #{table => Table, scenario => Scenario, watcher => Watcher}.

watch(Table, Watched) ->
    receive
        {watch, Name, Pid, From, Tag} ->
            Monitor = monitor(process, Pid),
            From ! Tag,
            watch(Table, Watched#{Monitor => Name});
        {'DOWN', Monitor, process, _, Reason} ->
            Name = maps:get(Monitor, Watched),
            N = ets:update_counter(Table, {ends, Name}, 1, {{ends, Name}, 0}),
            ets:insert(Table, {{ended, Name, N}, reason(Reason)}),
            watch(Table, maps:remove(Monitor, Watched))
    end.

%% The calling process is known under this name from now on.
enter(World, Name) ->
    put(world, World),
    put(me, Name),
    enter(World, Name, self()).

%% Another process is.
enter(#{table := Table, watcher := Watcher}, Name, Pid) ->
    Tag = make_ref(),
    Watcher ! {watch, Name, Pid, self(), Tag},
    receive Tag -> ok end,
    ets:insert(Table, [{{name, Pid}, Name}, {{pid, Name}, Pid}]).

me() -> get(me).
scenario() -> maps:get(scenario, get(world)).
table() -> maps:get(table, get(world)).

note(Text) -> note(me(), Text).

note(Name, Text) ->
    Table = table(),
    N = ets:update_counter(Table, {begun, Name}, 1, {{begun, Name}, 0}),
    ets:insert(Table, {{trace, Name, N}, lists:flatten(Text)}),
    ets:update_counter(Table, {lines, Name}, 1, {{lines, Name}, 0}).

pid(Name) -> pid(get(world), Name).

pid(#{table := Table}, Name) ->
    case ets:lookup(Table, {pid, Name}) of
        [{_, Pid}] -> Pid;
        [] -> undefined
    end.

name(Pid) when is_pid(Pid) ->
    case ets:lookup(table(), {name, Pid}) of
        [{_, Name}] -> Name;
        [] -> "nobody"
    end;
name({Registered, _Node}) ->
    [_, Name] = string:split(atom_to_list(Registered), "/"),
    "@" ++ Name;
name(Other) -> text(Other).

%% A process by its name in the scenario, by the name it registered (@name), or by what the caller
%% has kept of it (=name).
target("@" ++ Name) -> global_name(Name);
target("=" ++ Name) -> get({kept, Name});
target(Name) -> pid(Name).

%% Registered names are one table for all scenarios that run at the same time.
global_name(Name) -> list_to_atom(scenario() ++ "/" ++ Name).

await_pid(Name) ->
    case pid(Name) of
        undefined -> timer:sleep(1), await_pid(Name);
        Pid -> Pid
    end.

define(#{table := Table}, Key, Value) ->
    N = ets:update_counter(Table, {defined, Key}, 1, {{defined, Key}, 0}),
    ets:insert(Table, {{definition, Key, N}, Value}).

definitions(#{table := Table}, Key) ->
    [Value || [Value] <- ets:match(Table, {{definition, Key, '_'}, '$1'})].

%% The how many-th start of this name it is.
count_start(Name) ->
    ets:update_counter(table(), {starts, Name}, 1, {{starts, Name}, 0}).

lines(#{table := Table}, Name) ->
    case ets:lookup(Table, {lines, Name}) of
        [{_, N}] -> N;
        [] -> 0
    end.

ended(#{table := Table}, Name, N) ->
    case ets:lookup(Table, {ended, Name, N}) of
        [{_, Reason}] -> Reason;
        [] -> none
    end.

traces(#{table := Table}) ->
    [{Name, Text} || [Name, Text] <- ets:match(Table, {{trace, '$1', '_'}, '$2'})].

alive(#{table := Table}) ->
    lists:sort([Name || [Name, Pid] <- ets:match(Table, {{pid, '$1'}, '$2'}),
                        is_process_alive(Pid)]).

%% How a reason is written in a trace. Where it happened is left out.
reason({shutdown, {failed_to_start_child, Child, Reason}}) ->
    "failed:" ++ text(Child) ++ ":" ++ reason(Reason);
reason({shutdown, Why}) -> "shutdown:" ++ text(Why);
reason({crash, Why}) -> "crash:" ++ Why;
reason({bad_return_value, _}) -> "bad_return";
reason({Reason, {Module, call, _}}) when is_atom(Module) -> reason(Reason);
reason({Reason, [Frame | _]}) when is_tuple(Frame) -> reason(Reason);
reason({Reason, []}) -> reason(Reason);
reason({Reason, Child}) when element(1, Child) =:= child -> reason(Reason);
reason({start_spec, _}) -> "bad_spec";
reason({already_started, _}) -> "already_started";
reason(calling_self) -> "cycle";
reason(Reason) -> text(Reason).

%% How a call without an answer is written: whoever is not there, or left in good order, is gone.
gone(noproc) -> "gone";
gone(normal) -> "gone";
gone(shutdown) -> "gone";
gone({shutdown, _}) -> "gone";
gone(Reason) -> reason(Reason).

parse_reason("shutdown:" ++ Why) -> {shutdown, list_to_atom(Why)};
parse_reason(Reason) -> list_to_atom(Reason).

text(Text) when is_atom(Text) -> atom_to_list(Text);
text(Text) when is_list(Text) -> Text;
text(Text) when is_integer(Text) -> integer_to_list(Text);
text(Text) -> lists:flatten(io_lib:format("~0p", [Text])).
