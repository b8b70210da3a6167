%% A gen_server that does what its messages say.
%%
%% `init=` decides how it starts: `ok`, `stop:REASON`, `exit:REASON`, `crash:TEXT`, `ignore`,
%% `continue`, `slow:MS`, `fail_after:N` (all starts after the first N fail) and `fail_once`
%% (the second start fails). `stop=` decides how it
%% terminates: `slow:MS`, `hang`, `crash:TEXT`. Its beginnings and ends go to the trace `tree`,
%% with `own` to its own.
-module(otp_server).
-behaviour(gen_server).
-export([start_link/3, answer/1]).
-export([init/1, handle_continue/2, handle_call/3, handle_cast/2, handle_info/2, terminate/2]).

start_link(World, Name, Attributes) ->
    gen_server:start_link(?MODULE, {World, Name, Attributes}, []).

init({World, Name, Attributes}) ->
    otp_world:enter(World, Name),
    put(attributes, Attributes),
    %% Vaxel's actors always run `terminate` when they are shut down; here that needs the flag.
    process_flag(trap_exit, otp_ops:attribute("untrapped", Attributes, none) =:= none),
    Starts = otp_world:count_start(Name),
    note("init"),
    begin_with(otp_ops:attribute("init", Attributes, "ok"), Starts).

begin_with("ok", _) -> {ok, []};
begin_with("ignore", _) -> ignore;
begin_with("stop:" ++ Reason, _) -> {stop, otp_world:parse_reason(Reason)};
begin_with("exit:" ++ Reason, _) -> exit(otp_world:parse_reason(Reason));
begin_with("crash:" ++ Text, _) -> error({crash, Text});
begin_with("slow:" ++ Ms, _) ->
    timer:sleep(list_to_integer(Ms)),
    note("ready"),
    {ok, []};
begin_with("fail_after:" ++ N, Starts) ->
    case Starts > list_to_integer(N) of
        true -> {stop, again};
        false -> {ok, []}
    end;
begin_with("fail_once", 2) -> {stop, again};
begin_with("fail_once", _) -> {ok, []};
begin_with("continue", _) ->
    self() ! {msg, "early"},
    {ok, [], {continue, "first"}};
begin_with("continue_stop:" ++ Reason, _) ->
    {ok, [], {continue, {stop, otp_world:parse_reason(Reason)}}};
begin_with("continue_twice", _) ->
    self() ! {msg, "early"},
    {ok, [], {continue, "twice"}}.

handle_continue({stop, Reason}, State) ->
    {stop, Reason, State};
handle_continue("twice", State) ->
    otp_world:note("continue twice"),
    {noreply, State, {continue, "again"}};
handle_continue(Text, State) ->
    otp_world:note(["continue ", Text]),
    {noreply, State}.

handle_call({run, ["stop", Reason]}, _, State) ->
    {stop, otp_world:parse_reason(Reason), State};
handle_call({run, ["stop", Reason, "reply" | Words]}, _, State) ->
    {stop, otp_world:parse_reason(Reason), join(Words), State};
handle_call({run, ["continue", Text, "reply" | Words]}, _, State) ->
    {reply, join(Words), State, {continue, Text}};
handle_call({run, ["put", Value]}, _, _) ->
    {reply, "ok", Value};
handle_call({run, ["get"]}, _, State) ->
    {reply, case State of [] -> "empty"; _ -> State end, State};
handle_call({run, ["forget"]}, _, State) ->
    {noreply, State};
handle_call({run, ["hold"]}, From, State) ->
    put(held, From),
    {noreply, State};
handle_call({run, ["sleep", Ms | Words]}, From, State) ->
    timer:sleep(list_to_integer(Ms)),
    handle_call({run, Words}, From, State);
handle_call({run, Words}, _, State) ->
    {reply, answer(Words), State}.

answer(["reply" | Words]) -> join(Words);
answer(Words) -> otp_ops:run(Words), "ok".

handle_cast({run, ["stop", Reason]}, State) ->
    {stop, otp_world:parse_reason(Reason), State};
handle_cast({run, ["put", Value]}, _) -> {noreply, Value};
handle_cast({run, ["continue", Text]}, State) ->
    {noreply, State, {continue, Text}};
handle_cast({run, ["release" | Words]}, State) ->
    gen_server:reply(get(held), join(Words)),
    {noreply, State};
handle_cast({run, Words}, State) ->
    otp_ops:run(Words),
    {noreply, State}.

handle_info(Message, State) ->
    otp_ops:message(Message),
    {noreply, State}.

%% Vaxel's actors do not run `terminate` after a panic: only who asks is told of it here.
terminate({{crash, _}, [_ | _]} = Reason, _) ->
    case otp_ops:attribute("tells_crash", get(attributes), none) of
        none -> ok;
        _ -> note(["terminate ", otp_world:reason(Reason)])
    end;
terminate(Reason, _) ->
    note(["terminate ", otp_world:reason(Reason)]),
    finish(otp_ops:attribute("stop", get(attributes), "ok")).

finish("ok") -> ok;
finish("hang") -> timer:sleep(infinity);
finish("crash:" ++ Text) -> error({crash, Text});
finish("slow:" ++ Ms) ->
    timer:sleep(list_to_integer(Ms)),
    note("done").

note(Text) ->
    case otp_ops:attribute("own", get(attributes), none) of
        none -> otp_world:note("tree", [otp_world:me(), " ", Text]);
        _ -> otp_world:note(Text)
    end.

join(Words) -> lists:flatten(lists:join(" ", Words)).
