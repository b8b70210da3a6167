%% A gen_statem from the scenario's lines `statem NAME init=STATE [enter]` and
%% `on NAME STATE EVENT = ACTION ; ACTION`.
%%
%% Every event is noted with the state it met. An event without a line changes nothing.
-module(otp_statem).
-behaviour(gen_statem).
-export([start_link/2, init/1, callback_mode/0, handle_event/4, terminate/3]).

start_link(World, Name) ->
    gen_statem:start_link(?MODULE, {World, Name}, []).

callback_mode() ->
    %% Asked in the new process, after `init`: what it is depends on the definition.
    {World, Name} = machine(),
    [Attributes | _] = otp_world:definitions(World, {statem, Name}),
    case lists:member("enter", Attributes) of
        true -> [handle_event_function, state_enter];
        false -> handle_event_function
    end.

machine() -> get(machine).

init({World, Name}) ->
    put(machine, {World, Name}),
    otp_world:enter(World, Name),
    [Attributes | _] = otp_world:definitions(World, {statem, Name}),
    Table = [{State, Event, Actions}
             || [State, Event, "=" | Actions] <- otp_world:definitions(World, {on, Name})],
    {ok, otp_ops:attribute("init", Attributes, "start"), Table}.

handle_event(Type, Content, State, Table) ->
    Event = event(Type, Content),
    otp_world:note([State, " ", Event]),
    Words = find(State, Event, Table),
    result(split(Words, [], []), Type, #{next => State, actions => [], how => keep}, Table).

event({call, _}, {run, Words}) -> "call:" ++ join(Words);
event(cast, {run, Words}) -> "cast:" ++ join(Words);
event(info, {msg, Text}) -> "info:" ++ Text;
event(info, {'EXIT', Who, Reason}) ->
    "exit:" ++ otp_world:name(Who) ++ ":" ++ otp_world:reason(Reason);
event(info, {'DOWN', _, process, Who, Reason}) ->
    "down:" ++ otp_world:name(Who) ++ ":" ++ otp_world:reason(Reason);
event(enter, Old) -> "enter:" ++ Old;
event(state_timeout, Text) -> "state_timeout:" ++ Text;
event(timeout, Text) -> "event_timeout:" ++ Text;
event({timeout, Name}, Text) -> "timeout:" ++ Name ++ ":" ++ Text;
event(internal, Text) -> "internal:" ++ Text.

%% The first line that fits; `*` stands for every state and, behind a colon, for every content.
find(_, _, []) -> [];
find(State, Event, [{OfState, OfEvent, Actions} | Rest]) ->
    case (OfState =:= "*" orelse OfState =:= State) andalso matches(OfEvent, Event) of
        true -> Actions;
        false -> find(State, Event, Rest)
    end.

matches(Event, Event) -> true;
matches(Pattern, Event) ->
    case lists:reverse(Pattern) of
        "*" ++ Start -> lists:prefix(lists:reverse(Start), Event);
        _ -> false
    end.

split([], [], Ops) -> lists:reverse(Ops);
split([], Op, Ops) -> lists:reverse([lists:reverse(Op) | Ops]);
split([";" | Rest], Op, Ops) -> split(Rest, [], [lists:reverse(Op) | Ops]);
split([Word | Rest], Op, Ops) -> split(Rest, [Word | Op], Ops).

result([], _, #{how := keep, actions := Actions}, _) ->
    {keep_state_and_data, lists:reverse(Actions)};
result([], _, #{how := repeat, actions := Actions}, Table) ->
    {repeat_state, Table, lists:reverse(Actions)};
result([], _, #{how := next, next := Next, actions := Actions}, Table) ->
    {next_state, Next, Table, lists:reverse(Actions)};
result([["stop", Reason] | _], _, _, _) ->
    {stop, otp_world:parse_reason(Reason)};
result([["stop", Reason, "reply" | Words] | _], {call, From}, _, Table) ->
    {stop_and_reply, otp_world:parse_reason(Reason), [{reply, From, join(Words)}], Table};
result([["goto", Next] | Rest], Type, Result, Table) ->
    result(Rest, Type, Result#{how := next, next := Next}, Table);
result([["repeat"] | Rest], Type, Result, Table) ->
    result(Rest, Type, Result#{how := repeat}, Table);
result([["note" | Words] | Rest], Type, Result, Table) ->
    otp_world:note(join(Words)),
    result(Rest, Type, Result, Table);
result([["trap"] | Rest], Type, Result, Table) ->
    process_flag(trap_exit, true),
    result(Rest, Type, Result, Table);
result([["crash" | Words] | _], _, _, _) -> error({crash, join(Words)});
result([["exit", Reason] | _], _, _, _) -> exit(otp_world:parse_reason(Reason));
result([["block", Ms] | Rest], Type, Result, Table) ->
    timer:sleep(list_to_integer(Ms)),
    result(Rest, Type, Result, Table);
result([Words | Rest], Type, Result = #{actions := Actions}, Table) ->
    result(Rest, Type, Result#{actions := [action(Words, Type) | Actions]}, Table).

action(["reply" | Words], {call, From}) -> {reply, From, join(Words)};
action(["postpone"], _) -> postpone;
action(["insert", Text], _) -> {next_event, internal, Text};
action(["insert_cast" | Words], _) -> {next_event, cast, {run, Words}};
action(["state_timeout", "cancel"], _) -> {state_timeout, cancel};
action(["state_timeout", "update", Text], _) -> {state_timeout, update, Text};
action(["state_timeout", Ms, Text], _) -> {state_timeout, list_to_integer(Ms), Text};
action(["event_timeout", Ms, Text], _) -> {timeout, list_to_integer(Ms), Text};
action(["timeout", Name, "cancel"], _) -> {{timeout, Name}, cancel};
action(["timeout", Name, "update", Text], _) -> {{timeout, Name}, update, Text};
action(["timeout", Name, Ms, Text], _) -> {{timeout, Name}, list_to_integer(Ms), Text}.

%% As for otp_server.
terminate({crash, _}, _, _) -> ok;
terminate({{crash, _}, [_ | _]}, _, _) -> ok;
terminate(Reason, State, _) ->
    otp_world:note("tree", [otp_world:me(), " terminate ", otp_world:reason(Reason), " in ", State]).

join(Words) -> lists:flatten(lists:join(" ", Words)).
