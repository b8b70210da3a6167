%% A supervisor from the scenario's lines `sup NAME STRATEGY ...` and `child SUP NAME ...`.
-module(otp_sup).
-behaviour(supervisor).
-export([start_link/2, init/1, child/3, start_dynamic/3]).

start_link(World, Name) ->
    supervisor:start_link(?MODULE, {World, Name}).

init({World, Name}) ->
    otp_world:enter(World, Name),
    [[Strategy | Attributes] | _] = lists:reverse(otp_world:definitions(World, {sup, Name})),
    Flags = #{
        strategy => strategy(Strategy),
        intensity => list_to_integer(otp_ops:attribute("max", Attributes, "3")),
        period => list_to_integer(otp_ops:attribute("within", Attributes, "5")),
        auto_shutdown => auto(otp_ops:attribute("auto", Attributes, "never"))
    },
    Children = [child(World, Child, Words)
                || [Child | Words] <- otp_world:definitions(World, {child, Name})],
    {ok, {Flags, dynamic(Strategy, World, Children)}}.

strategy("dynamic") -> simple_one_for_one;
strategy(Strategy) -> list_to_atom(Strategy).

auto("any") -> any_significant;
auto("all") -> all_significant;
auto("never") -> never.

%% The children of a dynamic supervisor are given to it later, each with its name.
dynamic("dynamic", World, [Template = #{start := {_, _, [_, _, Words]}}]) ->
    [Template#{start := {?MODULE, start_dynamic, [World, Words]}}];
dynamic("dynamic", World, []) ->
    dynamic("dynamic", World, [child(World, "any", ["own"])]);
dynamic(_, _, Children) -> Children.

start_dynamic(World, Words, Name) ->
    otp_server:start_link(World, Name, Words).

child(World, Name, Words) ->
    IsSupervisor = lists:member("sup", Words),
    Spec = #{
        id => list_to_atom(Name),
        restart => restart(Words),
        significant => lists:member("significant", Words)
    },
    case IsSupervisor of
        true -> Spec#{type => supervisor, start => {?MODULE, start_link, [World, Name]}};
        false ->
            Spec#{
                start => {otp_server, start_link, [World, Name, Words]},
                shutdown => shutdown(otp_ops:attribute("shutdown", Words, "5000"))
            }
    end.

restart(Words) ->
    case [Word || Word <- Words, lists:member(Word, ["permanent", "transient", "temporary"])] of
        [Word] -> list_to_atom(Word);
        [] -> permanent
    end.

shutdown("kill") -> brutal_kill;
shutdown("infinity") -> infinity;
shutdown(Ms) -> list_to_integer(Ms).
