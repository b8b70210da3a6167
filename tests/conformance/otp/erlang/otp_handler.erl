%% A handler of an event manager. Notes what reaches it: under its own name, or with `in=TRACE`
%% there, after its name, so that the order between handlers and others can be seen.
%%
%% Its words say how it begins (`fail`, `crash`) and ends (`stop=crash`).
-module(otp_handler).
-behaviour(gen_event).
-export([init/1, handle_event/2, handle_call/2, handle_info/2, terminate/2]).

init({[World, Name, Words], From}) -> init(World, Name, Words, ["init from ", from(From)]);
init([World, Name, Words]) -> init(World, Name, Words, "init").

init(World, Name, Words, Text) ->
    State = {World, Name, Words},
    note(State, Text),
    case Words of
        ["fail" | _] -> {error, refused};
        ["crash" | _] -> error({crash, "init"});
        _ -> {ok, State}
    end.

%% What the one before it has left.
from(error) -> "nobody";
from({'EXIT', _}) -> "nobody";
from(Text) -> Text.

%% `crash NAME`, `remove NAME` and `swap NAME NEW` are for the handler of that name only.
handle_event({event, Text}, State = {_, Name, _}) ->
    note(State, ["event ", Text]),
    case string:lexemes(Text, " ") of
        ["crash", Name] -> error({crash, "event"});
        ["remove", Name] -> remove_handler;
        ["swap", Name, New | Words] ->
            {swap_handler, "itself", State, handler(New), arguments(State, New, Words)};
        ["slow", Ms] ->
            timer:sleep(list_to_integer(Ms)),
            note(State, "seen"),
            {ok, State};
        _ -> {ok, State}
    end.

handle_call({ask, Text}, State) ->
    case string:lexemes(Text, " ") of
        ["crash"] -> error({crash, "call"});
        ["remove"] -> {remove_handler, "removed"};
        ["swap", New | Words] ->
            Arguments = arguments(State, New, Words),
            {swap_handler, "swapped", "itself", State, handler(New), Arguments};
        _ ->
            note(State, ["call ", Text]),
            {ok, "answer " ++ Text, State}
    end.

handler(Name) -> {otp_handler, list_to_atom(Name)}.

arguments({World, _, _}, Name, Words) -> [World, Name, Words].

handle_info({msg, Text}, State) ->
    note(State, ["info ", Text]),
    {ok, State};
handle_info(_, State) -> {ok, State}.

terminate(Why, State = {_, Name, Words}) ->
    note(State, ["terminate ", why(Why)]),
    case otp_ops:attribute("stop", Words, "ok") of
        "crash" -> error({crash, "terminate"});
        _ -> Name
    end.

why(stop) -> "stop";
why({stop, Reason}) -> "owner:" ++ otp_world:reason(Reason);
why(remove_handler) -> "remove";
why({error, {'EXIT', Reason}}) -> "error:" ++ otp_world:reason(Reason);
why({error, Reason}) -> "error:" ++ otp_world:reason(Reason);
why(Text) when is_list(Text) -> Text.

note({World, Name, Words}, Text) ->
    put(world, World),
    case otp_ops:attribute("in", Words, none) of
        none -> otp_world:note(Name, Text);
        Trace -> otp_world:note(Trace, [Name, " ", Text])
    end.
